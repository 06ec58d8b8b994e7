import type { MemoryUse, Seen } from 'hopscope-protocol';
import type { PacketFilter } from '../filter/packet-filter.js';
import * as layout from '../wire/layout.gen.js';
import type { RecordCursor } from '../wire/record-cursor.js';
import { Beginnings } from './beginnings.js';
import { actorOf, Deliveries } from './deliveries.js';
import { type DeviceDescription, DeviceTable } from './device-table.js';
import { hasGap } from './hop-gap.js';
import { noJoinCounters } from './join-counters.js';
import { Merges } from './merged.js';
import { OpenPaths } from './open-paths.js';
import { CUT_END, type Path } from './path.js';
import { PlaceTable } from './place.js';
import { ProxyLinker } from './proxy-linker.js';
import { isPathOver, schedule } from './settle.js';
import type { KernelNames } from './socket-end.js';
import { TrailJoiner } from './trail-joiner.js';
import { TupleTable, tupleLimit } from './tuple-table.js';
import { verdictOf } from './verdict.js';
import { Windows } from './windows.js';

/** How long it is remembered what was merged: longer than a path waits for its end. */
const MERGE_NS = 2e9;
export interface JoinerOptions {
  readonly filter?: PacketFilter | null;
  readonly openPathLimit?: number;
  /** Bytes of the packets under way. */
  readonly openPathBytes?: number;
  /** Bytes of the tuples that packets had lately. */
  readonly tupleBytes?: number;
  readonly names?: KernelNames;
  /** Whether the kernel traces some packets only, and all drops. */
  readonly isThinned?: boolean;
  /** Called for a trail whose rest could not be read. */
  readonly onMalformedTrail?: (code: string) => void;
  /** Called with the number of the namespace of each device that is announced. */
  readonly onDevice?: (netns: number) => void;
}

/**
 * Joins trails into paths. Pure: time comes with the records and with `sweep`. Records come
 * in the order of their first hops.
 *
 * A packet is followed by the address of its buffer, checked at each snapshot against
 * what no hop rewrites. Clones are found by the data they share, copies by their
 * invariants, segments by their place in the stream, fragments by their IP id.
 */
export class PathJoiner {
  readonly devices = new DeviceTable();
  readonly places = new PlaceTable();
  readonly tuples: TupleTable;
  readonly proxyLinker = new ProxyLinker();
  readonly counters = noJoinCounters();

  readonly #onPath: (path: Path) => void;
  readonly #onDevice: (netns: number) => void;
  readonly #open: OpenPaths;
  readonly #merges = new Merges();
  readonly #windows: Windows;
  readonly #deliveries: Deliveries;
  readonly #trails: TrailJoiner;

  constructor(onPath: (path: Path) => void, options: JoinerOptions = {}) {
    this.#onPath = onPath;
    this.#onDevice = options.onDevice ?? (() => undefined);
    this.#open = new OpenPaths(options.openPathLimit, options.openPathBytes);
    this.tuples = new TupleTable(tupleLimit(options.tupleBytes));
    this.#windows = new Windows(options.isThinned ?? false);
    const { devices, places, tuples, proxyLinker, counters } = this;
    const state = {
      ...{ devices, places, tuples, proxyLinker, counters },
      open: this.#open,
      names: options.names ?? { reason: String, symbol: () => null },
      filter: options.filter ?? null,
      windows: this.#windows,
    };
    this.#deliveries = new Deliveries(state);
    this.#trails = new TrailJoiner(
      state,
      new Beginnings(state, () => this.#evictOldest()),
      this.#deliveries,
      this.#merges,
      options.onMalformedTrail ?? (() => undefined),
    );
  }

  /** GSO packets removed before they came to an end because their stream had too many. */
  get gsoPacketsRefused(): number {
    return this.#open.gso.refused;
  }

  /** The packets under way, estimated, and what they may take. */
  get openPathBytes(): MemoryUse {
    return { bytes: this.#open.bytes, limit: this.#open.limitBytes };
  }

  get openPaths(): number {
    return this.#open.size;
  }

  /** Takes the record under the cursor. */
  add(record: RecordCursor): void {
    if (record.type === layout.RECORD_TRAIL) {
      this.tuples.now = record.time;
      this.#trails.add(record);
      return;
    }
    this.counters.events += 1;
    switch (record.type) {
      case layout.RECORD_DEVICE:
        this.#onDevice(this.devices.learn(deviceOf(record), record.time).netns);
        break;
      case layout.RECORD_DELIVER:
        this.#deliveries.read(record);
        break;
      case layout.RECORD_CONNECT:
        this.proxyLinker.connect(
          record.address(layout.CONNECT_SOCK),
          record.u32(layout.CONNECT_NETNS),
          actorOf(record, layout.CONNECT_OPENER),
        );
        break;
      default:
    }
  }

  /**
   * From `at` on (source's epoch, ns) the source sees so much. All that began before has been
   * added, and nothing that began later.
   *
   * @param atEdges whether of each netfilter hook only the first and the last place are seen
   */
  window(at: number, sees: Seen, atEdges: boolean): void {
    this.#windows.change(this.#open, at, sees, atEdges);
  }

  /** In the same order: from now on the edges of each hook are seen, or every place. */
  detail(atEdges: boolean): void {
    this.#windows.changeDetail(this.#open, atEdges);
  }

  /** Finishes the packets that nothing more can come of by `now` (source's epoch, ns). */
  sweep(now: number): void {
    const over: Path[] = [];
    for (const path of this.#open.wheel.due(now)) {
      if (isPathOver(path, now)) {
        over.push(path);
      } else {
        schedule(this.#open, path);
      }
    }
    this.#finishAll(over);
    this.#merges.expire(now - MERGE_NS);
  }

  /** Finishes everything: the source has ended. */
  flush(): void {
    const all: Path[] = [];
    for (let path = this.#open.oldest; path !== null; path = path.newer) {
      all.push(path);
    }
    this.#finishAll(all);
  }

  /** Gives back a finished path that nobody reads any more. */
  release(path: Path): void {
    // What branched from it, or was merged into it, asks for its end.
    if (path.children === 0 && !path.hasMerged) {
      this.#open.recycle(path);
    }
  }

  #evictOldest(): void {
    const { oldest } = this.#open;
    if (oldest !== null) {
      this.counters.evicted += 1;
      this.#finish(oldest);
    }
  }

  /** In the order in which they began, whichever trail they came in. */
  #finishAll(paths: Path[]): void {
    paths.sort((a, b) => (a.columns.time[0] ?? a.lastTime) - (b.columns.time[0] ?? b.lastTime));
    for (const path of paths) {
      this.#finish(path);
    }
  }

  #finish(path: Path): void {
    this.#open.close(path);
    if (!path.dropped && !path.delivered) {
      path.mergedInto = this.#merges.find(path);
      if (path.mergedInto !== null) {
        path.mergedInto.hasMerged = true;
      }
    }
    path.gap = hasGap(path);
    if (path.amongNew && verdictOf(path, false) === 'unknown') path.cutByWindow |= CUT_END;
    const own = path.length - path.inherited;
    if (!path.matched) {
      this.counters.hopsFiltered += own;
    } else if (path.length > 0) {
      this.counters.hopsFinished += own;
      this.counters.paths += 1;
      if (path.cutByWindow !== 0) {
        this.counters.cutByWindow += 1;
      }
      this.#onPath(path);
    }
  }
}

function deviceOf(record: RecordCursor): DeviceDescription {
  return {
    netns: record.u32(layout.DEVICE_NETNS),
    inode: record.u32(layout.DEVICE_INODE),
    ifindex: record.u32(layout.DEVICE_IFINDEX),
    name: record.text(layout.DEVICE_NAME, 16),
    kind: record.text(layout.DEVICE_KIND, 16),
    mtu: record.u32(layout.DEVICE_MTU),
    type: record.u32(layout.DEVICE_DEV_TYPE),
  };
}
