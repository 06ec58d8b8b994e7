import type { Seen } from 'hopscope-protocol';
import { HOOK_OUTPUT } from '../packet/netfilter-hook.js';
import * as layout from '../wire/layout.gen.js';
import type { TrailCursor } from '../wire/trail-cursor.js';
import type { Device } from './device-table.js';
import type { OpenPaths } from './open-paths.js';
import { CUT_END, CUT_START, type Path } from './path.js';
import { isEndSeen } from './verdict.js';

/**
 * What is first seen in the middle of its way this soon after a window opened was under way
 * before, perhaps, ns. Seen: 20 ms in the backlog of a busy CPU (net/core/dev.c, process_backlog).
 */
export const FRONT_NS = 100e6;

/** Where and when a path begins. */
type BeginningHop = Pick<TrailCursor, 'time' | 'stage' | 'hook' | 'isFirst'>;

/**
 * Which paths the source can have seen whole: in windows it sees everything, between them drops,
 * and of other packets those of new flows or none. Pure; the times are those of the source.
 */
export class Windows {
  readonly #isThinned: boolean;
  #sees: Seen = 'all';
  #atEdges = false;
  /** Since when everything is seen. */
  #since = Number.NEGATIVE_INFINITY;

  /** @param isThinned whether of some packets only the drop is seen */
  constructor(isThinned: boolean) {
    this.#isThinned = isThinned;
  }

  /**
   * So much is seen from `at` on: all that began before has been added.
   *
   * @param atEdges whether of each netfilter hook only the first and the last place are seen
   */
  change(open: OpenPaths, at: number, sees: Seen, atEdges: boolean): void {
    this.#sees = sees;
    if (sees !== 'drops') {
      this.#atEdges = atEdges;
      this.#since = at;
    }
    // Packets that were chosen before are seen on.
    if (sees === 'all') return;
    for (let path = open.oldest; path !== null; path = path.newer) {
      // Its end is not, or what came between it and the closing is not.
      if (path.ended ? path.lastTime > at : !isEndSeen(path)) {
        path.cutByWindow |= CUT_END;
      }
    }
  }

  /** Of packets under way, too, places between the edges are not seen any more. */
  changeDetail(open: OpenPaths, atEdges: boolean): void {
    this.#atEdges = atEdges;
    if (!atEdges) return;
    for (let path = open.oldest; path !== null; path = path.newer) {
      if (!path.ended && !isEndSeen(path)) path.atEdges = true;
    }
  }

  /**
   * Marks a path that begins at a hop unless it is seen from its beginning: soon after the
   * opening, and among new flows at any time, only if a socket or a network card gave it. Others
   * were under way before.
   */
  begin(path: Path, { time, stage, hook, isFirst }: BeginningHop, device: Device): void {
    path.atEdges = this.#atEdges;
    const amongNew = this.#sees === 'new-flows';
    path.amongNew = amongNew;
    if (this.#sees === 'drops' || time < this.#since) {
      path.cutByWindow |= this.#sees === 'drops' ? CUT_START | CUT_END : CUT_START;
      return;
    }
    if ((this.#isThinned || amongNew) && stage === layout.STAGE_DROP) {
      path.cutByWindow |= CUT_START;
      return;
    }
    if ((!amongNew && time - this.#since >= FRONT_NS) || path.fromSocket || path.parent !== null) {
      return;
    }
    const isCard = stage === layout.STAGE_INGRESS && device.isHardware;
    // Another packet was seen in its buffer before, so it has just been sent: a trail has the
    // socket of its first packet only, and this one's is not known.
    const isSentInSameBuffer = !isFirst && hook === HOOK_OUTPUT;
    if (!isCard && !isSentInSameBuffer) {
      path.cutByWindow |= CUT_START;
    }
  }
}
