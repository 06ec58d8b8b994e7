import type { Flow } from './flow.js';
import { ENDED, ID_HIGH, ID_LOW, LAST, NEWER, OLDER, VERSION } from './flow-block.js';
import type { FlowSlots } from './flow-slots.js';
import { identifierText } from './identifier.js';

/** Ended flows remembered by id, for readers that come to ask what went. */
export const REMOVED_LIMIT = 65_536;
/** Of each: its id, and when it went. */
export const REMOVED_BYTES = 16;

/** Flows in the order of their newest change, and the ids of those that went. */
export class ChangeLog {
  readonly #slots: FlowSlots;
  readonly #removedLimit: number;
  /** A ring: two words of the id, and the version, of each that went. */
  readonly #removedIds: Int32Array;
  readonly #removedVersions: Float64Array;
  #removed = 0;
  #removedBefore = 0;
  #version = 0;
  #oldest = -1;
  #newest = -1;

  constructor(slots: FlowSlots, removedLimit = REMOVED_LIMIT) {
    this.#slots = slots;
    this.#removedLimit = removedLimit;
    this.#removedIds = new Int32Array(removedLimit * 2);
    this.#removedVersions = new Float64Array(removedLimit);
  }

  /** Of the ids that are remembered. */
  get byteLength(): number {
    return this.#removedLimit * REMOVED_BYTES;
  }

  get version(): number {
    return this.#version;
  }

  /** The flow that changed longest ago. */
  get oldest(): Flow | null {
    return this.#slots.at(this.#oldest);
  }

  /** The flow that changed last. */
  get newest(): Flow | null {
    return this.#slots.at(this.#newest);
  }

  /** The flow that changed before another. */
  older(flow: Flow): Flow | null {
    return this.#slots.at(flow.wordAt(OLDER));
  }

  /** The flow has a packet of this time, or another change. */
  touch(flow: Flow, time: number): void {
    if (time > flow.last) {
      flow.double(LAST, time);
    }
    this.#version += 1;
    flow.double(VERSION, this.#version);
    const { slot } = flow;
    if (this.#newest === slot) {
      return;
    }
    this.#unlink(flow);
    flow.word(OLDER, this.#newest);
    if (this.#newest >= 0) {
      this.#slots.setWord(this.#newest, NEWER, slot);
    }
    this.#newest = slot;
    if (this.#oldest < 0) {
      this.#oldest = slot;
    }
  }

  remove(flow: Flow): void {
    this.#unlink(flow);
    this.#version += 1;
    const at = this.#removed % this.#removedLimit;
    if (this.#removed >= this.#removedLimit) {
      this.#removedBefore = this.#removedVersions[at] as number;
    }
    this.#removedIds[at * 2] = flow.wordAt(ID_HIGH);
    this.#removedIds[at * 2 + 1] = flow.wordAt(ID_LOW);
    this.#removedVersions[at] = this.#version;
    this.#removed += 1;
  }

  /** Flows changed after `version`, the oldest change first. */
  changedSince(version: number): Flow[] {
    const slots = this.#slots;
    const changed: Flow[] = [];
    for (
      let slot = this.#newest;
      slot >= 0 && slots.double(slot, VERSION) > version;
      slot = slots.word(slot, OLDER)
    ) {
      changed.push(slots.at(slot) as Flow);
    }
    return changed.reverse();
  }

  /**
   * Slots of flows changed after `version`, the newest change first, at most so many.
   *
   * @param ended only those that have ended, or only those that have not; absent: all
   */
  newestSlots(version: number, most: number, ended?: boolean): readonly number[] {
    const slots = this.#slots;
    const changed: number[] = [];
    for (
      let slot = this.#newest;
      slot >= 0 && changed.length < most && slots.double(slot, VERSION) > version;
      slot = slots.word(slot, OLDER)
    ) {
      if (ended === undefined || (slots.word(slot, ENDED) !== 0) === ended) changed.push(slot);
    }
    return changed;
  }

  /** Ids removed after `version`; null when that is too long ago to know. */
  removedSince(version: number): string[] | null {
    if (version < this.#removedBefore) {
      return null;
    }
    const ids: string[] = [];
    const last = Math.max(0, this.#removed - this.#removedLimit);
    for (let n = this.#removed - 1; n >= last; n--) {
      const at = n % this.#removedLimit;
      if ((this.#removedVersions[at] as number) <= version) {
        break;
      }
      const high = this.#removedIds[at * 2] as number;
      ids.push(identifierText(high, this.#removedIds[at * 2 + 1] as number));
    }
    return ids.reverse();
  }

  #unlink(flow: Flow): void {
    const older = flow.wordAt(OLDER);
    const newer = flow.wordAt(NEWER);
    const { slot } = flow;
    if (older >= 0) {
      this.#slots.setWord(older, NEWER, newer);
    } else if (this.#oldest === slot) {
      this.#oldest = newer;
    }
    if (newer >= 0) {
      this.#slots.setWord(newer, OLDER, older);
    } else if (this.#newest === slot) {
      this.#newest = older;
    }
    flow.word(OLDER, -1);
    flow.word(NEWER, -1);
  }
}
