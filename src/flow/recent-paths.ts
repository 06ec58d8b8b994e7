import { PATH_BYTES } from '../join/open-paths.js';
import type { Path } from '../join/path.js';
import type { FinishedPath } from './finished-path.js';
import type { Flow } from './flow.js';

/** Finished paths kept for display, over all flows and for one. */
export const RECENT_PATH_LIMIT = 8_192;
export const RECENT_PATHS_PER_FLOW = 32;
/** Bytes that they may take over all flows. */
export const RECENT_PATH_BYTES = 48 << 20;

const NO_PATHS: readonly FinishedPath[] = [];

/**
 * Bounds the finished paths that are kept. A flow that has its share gives up its
 * oldest for a new one, so a busy flow does not push out the paths of quiet ones.
 */
export class RecentPaths {
  readonly #limit: number;
  readonly #limitBytes: number;
  /** Called with a path that is kept no longer: its columns may serve another. */
  readonly #onRelease: (path: Path) => void;
  /** A ring: places from #tail to #head are given, in the order in which they were. */
  readonly #slots: (FinishedPath | undefined)[] = [];
  /** By the flow's slot. */
  readonly #ofFlow = new Map<number, FinishedPath[]>();
  #head = 0;
  #tail = 0;
  #bytes = 0;
  #kept = 0;

  constructor(
    options: {
      readonly limit?: number | undefined;
      readonly limitBytes?: number | undefined;
      readonly onRelease?: ((path: Path) => void) | undefined;
    } = {},
  ) {
    this.#limit = options.limit ?? RECENT_PATH_LIMIT;
    this.#limitBytes = options.limitBytes ?? RECENT_PATH_BYTES;
    this.#onRelease = options.onRelease ?? (() => undefined);
  }

  get size(): number {
    return this.#kept;
  }

  /** Estimated. */
  get bytes(): number {
    return this.#bytes;
  }

  get limitBytes(): number {
    return this.#limitBytes;
  }

  /** Those of a flow, newest last. */
  of(flow: Flow): readonly FinishedPath[] {
    return this.#ofFlow.get(flow.slot) ?? NO_PATHS;
  }

  /** Keeps a path with its flow. */
  add(flow: Flow, finished: FinishedPath): void {
    const own = this.#ofFlow.get(flow.slot) ?? [];
    if (own.length >= RECENT_PATHS_PER_FLOW) {
      const oldest = own.shift() as FinishedPath;
      finished.slot = oldest.slot;
      this.#release(oldest);
    } else {
      if (this.#head - this.#tail >= this.#limit) {
        this.#pushOut();
      }
      finished.slot = this.#head % this.#limit;
      this.#head += 1;
    }
    this.#slots[finished.slot] = finished;
    if (own.length === 0) {
      this.#ofFlow.set(flow.slot, own);
    }
    own.push(finished);
    this.#kept += 1;
    this.#bytes += bytesOf(finished);
    // Never itself: somebody is about to look at it.
    while (
      this.#bytes > this.#limitBytes &&
      this.#tail < this.#head &&
      this.#slots[this.#tail % this.#limit] !== finished
    ) {
      this.#pushOut();
    }
  }

  /** Keeps none of a flow any longer. */
  drop(flow: Flow): void {
    const own = this.#ofFlow.get(flow.slot);
    if (own !== undefined) {
      this.#ofFlow.delete(flow.slot);
      for (const finished of own) {
        this.#slots[finished.slot] = undefined;
        this.#release(finished);
      }
    }
  }

  /** Empties the place that was given longest ago. */
  #pushOut(): void {
    const slot = this.#tail % this.#limit;
    this.#tail += 1;
    const finished = this.#slots[slot];
    if (finished === undefined) {
      return;
    }
    this.#slots[slot] = undefined;
    const flowSlot = (finished.flow as Flow).slot;
    const own = this.#ofFlow.get(flowSlot) as FinishedPath[];
    own.splice(own.indexOf(finished), 1);
    if (own.length === 0) {
      this.#ofFlow.delete(flowSlot);
    }
    this.#release(finished);
  }

  #release(finished: FinishedPath): void {
    finished.slot = -1;
    this.#kept -= 1;
    this.#bytes -= bytesOf(finished);
    this.#onRelease(finished.path);
  }
}

function bytesOf({ path }: FinishedPath): number {
  return path.columns.byteLength + PATH_BYTES;
}
