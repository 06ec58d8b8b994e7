import type { PathRecord } from 'hopscope-protocol';
import type { FlowDetail } from './channel-messages.js';
import { type Collector, CollectorError } from './collector.js';

/** A followed flow as it was last reported, with all its newest paths that have come. */
export interface KnownFlow {
  readonly detail: FlowDetail;
  readonly paths: ReadonlyMap<string, PathRecord>;
}

interface Followed {
  readonly listeners: Set<(flow: KnownFlow) => void>;
  known: KnownFlow | null;
  asked: boolean;
}

/**
 * Flows that clients follow, each asked for once for all of them, and a path only once:
 * the collector gets the ids of those here. There are at most as many as CLIENT_LIMIT clients
 * may follow.
 */
export class FlowDetails {
  readonly #collector: Collector;
  readonly #followed = new Map<string, Followed>();
  /** Times that a flow's answer was still to come when it was to be asked for again. */
  delayed = 0;

  constructor(collector: Collector) {
    this.#collector = collector;
  }

  /** Calls `listener` with the flow as it is now, and at each `ask`, until unfollowed. */
  follow(id: string, listener: (flow: KnownFlow) => void): void {
    let followed = this.#followed.get(id);
    if (followed === undefined) {
      followed = { listeners: new Set(), known: null, asked: false };
      this.#followed.set(id, followed);
    }
    followed.listeners.add(listener);
    if (followed.known !== null) listener(followed.known);
    else if (!followed.asked) void this.#ask(id, followed);
  }

  unfollow(id: string, listener: (flow: KnownFlow) => void): void {
    const followed = this.#followed.get(id);
    followed?.listeners.delete(listener);
    if (followed?.listeners.size === 0) this.#followed.delete(id);
  }

  /** Asks for all of them anew. */
  ask(): void {
    for (const [id, followed] of this.#followed) {
      if (followed.asked) this.delayed += 1;
      else void this.#ask(id, followed);
    }
  }

  async #ask(id: string, followed: Followed): Promise<void> {
    followed.asked = true;
    try {
      const have = followed.known?.paths ?? new Map<string, PathRecord>();
      const detail = await this.#collector.flow(id, [...have.keys()]);
      const come = new Map([...have, ...detail.paths.map((path) => [path.id, path] as const)]);
      const paths = detail.pathIds.flatMap((one) => {
        const path = come.get(one);
        return path === undefined ? [] : [[one, path] as const];
      });
      followed.known = { detail, paths: new Map(paths) };
      for (const listener of followed.listeners) listener(followed.known);
    } catch (error) {
      if (!(error instanceof CollectorError)) throw error;
      // The collector is busy: it is asked again at the next tick.
      this.delayed += 1;
    } finally {
      followed.asked = false;
    }
  }
}
