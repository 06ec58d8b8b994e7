import type { FinishedPath, Flow } from './flow.js';

/** Finished paths kept for display, over all flows and for one. */
export const RECENT_PATH_LIMIT = 8_192;
export const RECENT_PATHS_PER_FLOW = 32;

/**
 * Bounds the finished paths that flows keep. A flow that has its share gives up its
 * oldest for a new one, so a busy flow does not push out the paths of quiet ones.
 */
export class RecentPaths {
  readonly #slots: (FinishedPath | undefined)[] = [];
  #next = 0;

  /** Keeps a path with its flow, newest last. */
  add(flow: Flow, finished: FinishedPath): void {
    if (flow.recent.length >= RECENT_PATHS_PER_FLOW) {
      finished.slot = (flow.recent.shift() as FinishedPath).slot;
    } else {
      finished.slot = this.#next;
      this.#next = (this.#next + 1) % RECENT_PATH_LIMIT;
      const pushedOut = this.#slots[finished.slot];
      if (pushedOut?.flow != null) {
        pushedOut.flow.recent.splice(pushedOut.flow.recent.indexOf(pushedOut), 1);
      }
    }
    this.#slots[finished.slot] = finished;
    flow.recent.push(finished);
  }

  /** Lets go of all that a flow keeps. */
  drop(flow: Flow): void {
    for (const { slot } of flow.recent) {
      this.#slots[slot] = undefined;
    }
    flow.recent.length = 0;
  }
}
