import { adoptMap, BpfError, type BpfMap, type Link, type MapBatch } from 'ebpf-ts';
import type { Epoch } from '../wire/clock.js';
import { CountCursor } from '../wire/count-cursor.js';
import * as layout from '../wire/count-layout.gen.js';
import {
  bestInstrument,
  type CountInstrument,
  type CountObjects,
  closeAll,
  openCountInstrument,
} from './count-instrument.js';
import { type CountTallies, readTallies, talliesSince } from './count-tallies.js';
import type { CountedDevice } from './counted-devices.js';
import type { DescriptorStore } from './descriptor-store.js';
import { GivenCounts } from './given-counts.js';
import {
  deviceName,
  discardCounts,
  type KeptCounts,
  KeptCountsError,
  mapName,
  SHARED_MAPS,
  takeKept,
} from './kept-counts.js';

/** Entries: a tuple on a device in one direction. A flow takes two to four. */
export const COUNT_ENTRIES_LIMIT = 131_072;
/** Entries read at once: half a millisecond of the daemon's thread, 25 where all are new flows. */
export const COUNT_BATCH = 1024;
/** Idle entries removed after each batch, one system call each. */
export const COUNT_REMOVAL_BATCH = 1024;
/** An entry idle for so long is removed; for the second, when the table is nearly full. */
export const COUNT_IDLE_NS = 60e9;
export const COUNT_IDLE_PRESSED_NS = 5e9;
const PRESSED_ABOVE = 3 / 4;
/**
 * A program takes the time of a packet before it counts it, and may be kept waiting in
 * between: entries this much older than the last walk are looked at again.
 */
const CHANGE_MARGIN_NS = 1e9;

export interface CounterOptions {
  readonly objects: CountObjects;
  readonly epoch: Epoch;
  /** Entries; COUNT_ENTRIES_LIMIT when absent. */
  readonly limit?: number;
  /** What attaches the programs to devices; the best this kernel has when absent. */
  readonly instrument?: CountInstrument['name'];
  /** CLOCK_MONOTONIC in ns; the machine's when absent. */
  readonly now?: () => bigint;
  /**
   * Keeps table and links for the process after this one, and has those of the one before; absent:
   * nobody. Packet sockets are not kept.
   */
  readonly store?: DescriptorStore | null;
}

interface CountedOn {
  readonly device: CountedDevice;
  readonly links: readonly Link[];
}

/**
 * Counts every packet of every flow on the devices it is given, in the kernel. Read it
 * some times a second; what it gives is exact, whenever it is read.
 */
export class Counter {
  readonly #instrument: CountInstrument;
  readonly #cursor: CountCursor;
  readonly #batch: MapBatch;
  readonly #removed: MapBatch;
  readonly #now: () => bigint;
  readonly #epoch: Epoch;
  readonly #limit: number;
  readonly #devices = new Map<string, CountedOn>();
  /** The list that is to be counted on next; of several the last, since each is the whole. */
  #wanted: ReadonlyMap<string, CountedDevice> | null = null;
  #changing: Promise<void> | null = null;
  #isEnded = false;
  /** Devices that could not be attached to, with the reason, until they can or go. */
  readonly #failed = new Map<string, string>();
  #entries = 0;
  #entriesSoFar = 0;
  #isWalking = false;
  #walkStart = Number.NEGATIVE_INFINITY;
  readonly #given: GivenCounts;
  /** Null where nothing is kept. */
  readonly #store: DescriptorStore | null;
  /** Devices that there was no room for in the store. */
  readonly #unkept = new Set<string>();
  /** What had been counted by earlier processes. */
  #before: CountTallies | null = null;

  /** What the store keeps, with descriptors of their own: it may copy them late. */
  keptMaps: readonly BpfMap[] = [];
  /** Entries removed for being idle. */
  removed = 0;
  /** Devices that went while they were attached to; they are tried again. */
  vanished = 0;

  private constructor(options: CounterOptions, instrument: CountInstrument, limit: number) {
    this.#limit = limit;
    this.#store = instrument.name === 'tcx' ? (options.store ?? null) : null;
    this.#epoch = options.epoch;
    this.#now = options.now ?? process.hrtime.bigint;
    this.#cursor = new CountCursor(options.epoch);
    this.#instrument = instrument;
    const counts = this.#instrument.map('counts');
    this.#batch = counts.batch(COUNT_BATCH);
    this.#removed = counts.batch(COUNT_REMOVAL_BATCH);
    this.#given = new GivenCounts(this.#batch);
  }

  /** Loads the programs; where an earlier process left its counts, they go on. Errors: BpfError. */
  static async open(options: CounterOptions): Promise<Counter> {
    const limit = options.limit ?? COUNT_ENTRIES_LIMIT;
    const { objects, instrument = bestInstrument(), store = null } = options;
    const kept = store === null ? null : await takeKept(store, limit);
    if (store !== null && kept !== null && instrument === 'tcx') {
      let opened: CountInstrument | null = null;
      try {
        opened = await openCountInstrument(objects, limit, instrument, kept.maps);
        const counter = new Counter(options, opened, limit);
        await counter.#goOn(kept, store);
        return counter;
      } catch (error) {
        opened?.close();
        if (!(error instanceof BpfError)) throw error;
        const message = `the counts that were kept cannot be used: ${error.message}`;
        store.refused(new KeptCountsError('COUNTS_NOT_WHOLE', message, { cause: error }));
      }
    }
    if (store !== null && kept !== null) await discardCounts(store, kept);
    const opened = await openCountInstrument(objects, limit, instrument, null);
    const counter = new Counter(options, opened, limit);
    counter.#keepMaps();
    return counter;
  }

  /** `tcx`, or `packet` for packet sockets. */
  get instrument(): CountInstrument['name'] {
    return this.#instrument.name;
  }

  /** What it cannot see, in words. */
  get missing(): readonly string[] {
    const unkept = this.#unkept.size;
    return [
      ...this.#instrument.missing,
      ...this.#failed.values(),
      ...(unkept === 0
        ? []
        : [
            `packets while hopscope restarts, on ${unkept} devices: the service manager keeps no more`,
          ]),
    ];
  }

  /** Devices counted on. */
  get devices(): number {
    return this.#devices.size;
  }

  /** Entries in the table at the last whole walk. */
  get entries(): number {
    return this.#entries;
  }

  /**
   * Counts on these devices and no others; call it whenever devices may have come or gone.
   * A device that goes meanwhile is passed over. Resolved when the last list given is
   * counted on: one that comes meanwhile is taken up when the device at hand is done.
   */
  countOn(devices: Iterable<CountedDevice>): Promise<void> {
    this.#wanted = new Map([...devices].map((device) => [deviceName(device), device]));
    this.#changing ??= this.#change().finally(() => {
      this.#changing = null;
    });
    return this.#changing;
  }

  /**
   * Reads one batch and gives each entry that has changed; the cursor is reused. True when
   * the batch was the last of a walk over the whole table.
   */
  read(visit: (row: CountCursor) => void): boolean {
    const now = this.#epoch.since(this.#now());
    const batch = this.#batch;
    const counts = this.#instrument.map('counts');
    if (!this.#isWalking) {
      this.#given.since = this.#walkStart - CHANGE_MARGIN_NS;
      this.#walkStart = now;
      this.#entriesSoFar = 0;
    }
    const count = counts.lookupBatch(batch);
    this.#entriesSoFar += count;
    this.#cursor.borrow(batch.keys, batch.values, count, false, this.#given);
    while (this.#cursor.next()) {
      visit(this.#cursor);
    }
    this.#removeIdle(now - this.#idleLimit(), visit);
    this.#isWalking = !batch.atEnd;
    if (batch.atEnd) {
      this.#entries = this.#entriesSoFar;
    }
    return batch.atEnd;
  }

  /** Reads to the end of a walk that begins now. */
  readAll(visit: (row: CountCursor) => void): void {
    this.#batch.rewind();
    this.#isWalking = false;
    while (!this.read(visit));
  }

  /** What it did, without what earlier processes counted. */
  tallies(): CountTallies {
    const all = readTallies(this.#instrument.map('tallies'));
    return this.#before === null ? all : talliesSince(this.#before, all);
  }

  /**
   * Stops counting, everywhere at one moment; when it resolves no program counts any more,
   * and what is read until `close` is final. Detaching goes on for a while after that.
   * Where the store keeps all, counting goes on, and is whose who takes it over.
   */
  async end(): Promise<void> {
    const isKept = this.#store !== null;
    if (!this.#isEnded) {
      this.#isEnded = true;
      if (!isKept) this.#setEnded(1);
    }
    // Whoever asked for the change has its failure.
    await this.#changing?.catch(() => undefined);
    if (isKept) return;
    // The kernel waits for programs at work before it says that a link is closed.
    const [first] = this.#devices.entries();
    if (first !== undefined) await this.#detach(first[0], first[1].links);
  }

  /** Frees all; resolved when the kernel has detached everything. */
  async close(): Promise<void> {
    await this.end();
    this.#instrument.close();
    // From one to the next, so that others have their turn at the kernel's lock.
    for (const [name, { links }] of this.#devices) {
      this.#devices.delete(name);
      await closeAll(links);
    }
  }

  /** With the table and the devices of the process before. Errors: BpfError. */
  async #goOn({ devices }: KeptCounts, store: DescriptorStore): Promise<void> {
    this.#setEnded(0);
    for (const { device, links } of devices) {
      await this.#instrument.takeOver(device, links);
      this.#devices.set(deviceName(device), { device, links });
    }
    this.#before = readTallies(this.#instrument.map('tallies'));
    store.continued(devices.length);
  }

  #keepMaps(): void {
    const store = this.#store;
    if (store === null) return;
    this.keptMaps = SHARED_MAPS.map((name) => {
      const map = adoptMap(this.#instrument.map(name).descriptor());
      store.keep(mapName(name), [map.descriptor()]);
      return map;
    });
  }

  #setEnded(ended: 0 | 1): void {
    const value = new Uint8Array(Uint32Array.of(ended).buffer);
    this.#instrument.map('ended').put(new Uint8Array(4), value);
  }

  /** Takes up the list that is wanted, and each that comes meanwhile. */
  async #change(): Promise<void> {
    while (this.#wanted !== null && !this.#isEnded) {
      const wanted = this.#wanted;
      this.#wanted = null;
      await this.#detachUnwanted(wanted);
      for (const [name, device] of wanted) {
        if (this.#isSuperseded()) break;
        if (!this.#devices.has(name)) await this.#attach(name, device);
      }
      if (this.#isSuperseded()) continue;
      await this.#instrument.reload(() =>
        [...this.#devices.values()].map(({ device, links }) => [device, links] as const),
      );
    }
  }

  /** Whether what is being done is not wanted any more. */
  #isSuperseded(): boolean {
    return this.#isEnded || this.#wanted !== null;
  }

  /** Detaches from what is not wanted, and forgets what is gone. */
  async #detachUnwanted(wanted: ReadonlyMap<string, CountedDevice>): Promise<void> {
    for (const [name, { links }] of this.#devices) {
      if (this.#isSuperseded()) return;
      if (!wanted.has(name) || !(await this.#isAttached(links))) await this.#detach(name, links);
    }
    for (const name of this.#failed.keys()) {
      if (!wanted.has(name)) this.#failed.delete(name);
    }
  }

  async #isAttached(links: readonly Link[]): Promise<boolean> {
    for (const link of links) {
      if (!(await this.#instrument.isAttached(link))) return false;
    }
    return true;
  }

  async #detach(name: string, links: readonly Link[]): Promise<void> {
    this.#devices.delete(name);
    this.#unkept.delete(name);
    if (this.#store === null) {
      await closeAll(links);
      return;
    }
    this.#store.forget(name);
    await Promise.all(links.map((link) => link.detachForAll()));
  }

  #idleLimit(): number {
    const entries = Math.max(this.#entries, this.#entriesSoFar);
    return entries > this.#limit * PRESSED_ABOVE ? COUNT_IDLE_PRESSED_NS : COUNT_IDLE_NS;
  }

  /**
   * An entry is read and removed in one step, so that no packet is counted twice or lost
   * between the two. One that looks it up at that very moment may still add to it
   * afterwards, unseen: a packet at most on each CPU, of a flow idle for seconds until then.
   */
  #removeIdle(before: number, visit: (row: CountCursor) => void): void {
    const { keys, count } = this.#batch;
    const removed = this.#removed;
    let idle = 0;
    for (let index = 0; index < count && idle < removed.limit; index++) {
      if (this.#cursor.lastOf(index) < before) {
        const at = index * layout.SIZEOF_COUNT_KEY;
        removed.keys.set(
          keys.subarray(at, at + layout.SIZEOF_COUNT_KEY),
          idle * layout.SIZEOF_COUNT_KEY,
        );
        idle += 1;
      }
    }
    if (idle === 0) {
      return;
    }
    this.removed += this.#instrument.map('counts').take(removed, idle);
    this.#cursor.borrow(removed.keys, removed.values, removed.count, true);
    while (this.#cursor.next()) {
      visit(this.#cursor);
    }
  }

  async #attach(name: string, device: CountedDevice): Promise<void> {
    try {
      const links = await this.#instrument.attach(device);
      this.#devices.set(name, { device, links });
      this.#failed.delete(name);
      const descriptors = this.#store === null ? [] : links.map((link) => link.descriptor());
      if (this.#store?.keep(name, descriptors) === false) this.#unkept.add(name);
    } catch (error) {
      if (!(error instanceof BpfError)) {
        throw error;
      }
      if (error.code === 'ENODEV' || error.code === 'ENOENT') {
        this.vanished += 1;
        return;
      }
      this.#failed.set(name, `flows on device ${device.ifindex} of ${device.path}: ${error.code}`);
    }
  }
}
