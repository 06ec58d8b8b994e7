import type { PathVerdict } from 'hopscope-protocol';
import type { Device } from '../join/device-table.js';
import type { Tuple } from '../join/tuple.js';
import { type DirectionIndex, ORIGINAL, REPLY } from './direction-index.js';
import * as block from './flow-block.js';
import type { Histogram } from './histogram.js';
import { identifierText } from './identifier.js';
import type { Leg } from './leg.js';
import { START_UNKNOWN } from './path-start.js';
import { type FlowEncapsulation, Traced, type TracedDirection } from './traced.js';

export type FlowState = 'new' | 'active' | 'closing' | 'closed';

/** Packets of one direction, as the kernel counted them. */
export interface CountedPackets {
  /** At the device nearest to the source. */
  readonly atSource: number;
  /** At the device furthest from it; null where it was counted once only. */
  readonly atDestination: number | null;
}

const STATES: readonly FlowState[] = ['new', 'active', 'closing', 'closed'];
/* STATUS: state, FIN seen in each direction, which direction is proven, ICMP type and code. */
const STATE_MASK = 3;
const FIN_SHIFT = 2;
const PROVEN = 1 << 4;
const TYPE_SHIFT = 8;
const CODE_SHIFT = 16;
const NO_ICMP = 0xff;

const NO_LEGS: readonly Leg[] = [];
const NO_ENCAPSULATIONS: readonly FlowEncapsulation[] = [];
const NO_IDS: readonly string[] = [];
const NO_REASONS: ReadonlyMap<number, number> = new Map();

/**
 * One connection, both directions. Times: nanoseconds since the source's epoch.
 *
 * It is a view: what is known of the flow is in a block that it shares with others, and two
 * views may be of one flow (see `is`). That of a flow which is only counted is made anew for
 * each call into the table and good until the next one; a flow that was traced has one that
 * stays. Once it has left the table, the view that readers are given keeps all as it was.
 */
export class Flow {
  block: block.FlowBlock;
  at: number;

  constructor(numbers: block.FlowBlock, at: number) {
    this.block = numbers;
    this.at = at;
  }

  /** Whether both are of one flow. */
  is(other: Flow): boolean {
    return this.at === other.at && this.block === other.block;
  }

  /** Sets what is not 0 in a flow that begins. */
  begin(original: Tuple): void {
    this.word(block.STATUS, (NO_ICMP << TYPE_SHIFT) | (NO_ICMP << CODE_SHIFT));
    this.original = original;
  }

  /** null while no path of it was seen. */
  get traced(): Traced | null {
    const { traced } = this.block;
    return traced === null ? null : (traced[this.at] ?? null);
  }

  get original(): Tuple {
    const { traced, block: numbers } = this;
    if (numbers.leftOriginal !== null) {
      return numbers.leftOriginal;
    }
    const known = traced?.original ?? numbers.tuples.at(this.wordAt(block.ORIGINAL_TUPLE));
    if (traced !== null) {
      traced.original = known;
    }
    return known;
  }

  set original(tuple: Tuple) {
    this.#setTuple(block.ORIGINAL_TUPLE, tuple);
    const { traced } = this;
    if (traced !== null) {
      traced.original = tuple;
    }
  }

  /** null where no answer was seen. */
  get reply(): Tuple | null {
    const { traced, block: numbers } = this;
    const number = this.wordAt(block.REPLY_TUPLE);
    if (number < 0 || numbers.leftReply !== null) {
      return numbers.leftReply;
    }
    const known = traced?.reply ?? numbers.tuples.at(number);
    if (traced !== null) {
      traced.reply = known;
    }
    return known;
  }

  set reply(tuple: Tuple) {
    this.#setTuple(block.REPLY_TUPLE, tuple);
    const { traced } = this;
    if (traced !== null) {
      traced.reply = tuple;
    }
  }

  get hasReply(): boolean {
    return this.wordAt(block.REPLY_TUPLE) >= 0;
  }

  /** Whether a tuple is the original one. */
  hasOriginal(tuple: Tuple): boolean {
    return this.traced === null && this.block.leftOriginal === null
      ? this.block.tuples.numberOf(tuple) === this.wordAt(block.ORIGINAL_TUPLE)
      : tuple.equals(this.original);
  }

  /** For a reader that shows flows in turn: when it was shown last; a whole number. */
  get shown(): number {
    return this.wordAt(block.SHOWN);
  }

  set shown(shown: number) {
    this.word(block.SHOWN, shown);
  }

  #setTuple(word: number, tuple: Tuple): void {
    const { tuples } = this.block;
    const before = this.wordAt(word);
    this.word(word, tuples.hold(tuple));
    if (before >= 0) {
      tuples.release(before);
    }
  }

  /** 16 hex digits. */
  get id(): string {
    return identifierText(this.wordAt(block.ID_HIGH), this.wordAt(block.ID_LOW));
  }

  /** Number among the flows of the table; -1 when it has left. */
  get slot(): number {
    return this.block.firstSlot < 0 ? -1 : this.block.firstSlot + this.at;
  }

  get start(): number {
    return this.doubleAt(block.START);
  }

  /** Of its newest packet. */
  get last(): number {
    return this.doubleAt(block.LAST);
  }

  /** Grows with every change of any flow. */
  get version(): number {
    return this.doubleAt(block.VERSION);
  }

  /** Whether it is kept for readers only: no packet is put to it any more. */
  get hasEnded(): boolean {
    return this.wordAt(block.ENDED) !== 0;
  }

  get state(): FlowState {
    return STATES[this.wordAt(block.STATUS) & STATE_MASK] as FlowState;
  }

  set state(state: FlowState) {
    this.word(block.STATUS, (this.wordAt(block.STATUS) & ~STATE_MASK) | STATES.indexOf(state));
  }

  /** Bit n: a FIN was seen in direction n. */
  get finSeen(): number {
    return (this.wordAt(block.STATUS) >> FIN_SHIFT) & 3;
  }

  set finSeen(fins: number) {
    const status = this.wordAt(block.STATUS) & ~(3 << FIN_SHIFT);
    this.word(block.STATUS, status | (fins << FIN_SHIFT));
  }

  /** Whether something proves which direction is the original one. */
  get proven(): boolean {
    return (this.wordAt(block.STATUS) & PROVEN) !== 0;
  }

  prove(): void {
    this.word(block.STATUS, this.wordAt(block.STATUS) | PROVEN);
  }

  /** -1 where it is not known. */
  get icmpType(): number {
    const type = (this.wordAt(block.STATUS) >> TYPE_SHIFT) & 0xff;
    return type === NO_ICMP ? -1 : type;
  }

  get icmpCode(): number {
    // Of a known type every code is one, also that of all ones.
    return this.icmpType < 0 ? -1 : (this.wordAt(block.STATUS) >> CODE_SHIFT) & 0xff;
  }

  setIcmp(type: number, code: number): void {
    const status = this.wordAt(block.STATUS) & ~((0xff << TYPE_SHIFT) | (0xff << CODE_SHIFT));
    this.word(block.STATUS, status | ((type & 0xff) << TYPE_SHIFT) | ((code & 0xff) << CODE_SHIFT));
  }

  /** Largest IP packet of either direction, bytes; of a GSO packet the size of its segments. */
  get largest(): number {
    return Math.max(this.largestOf(ORIGINAL), this.largestOf(REPLY));
  }

  largestOf(direction: DirectionIndex): number {
    // All 32 bits: a damaged count may say anything.
    return this.wordAt(block.LARGEST + direction) >>> 0;
  }

  noteLargest(direction: DirectionIndex, bytes: number): void {
    if (bytes > this.largestOf(direction)) {
      this.word(block.LARGEST + direction, bytes);
    }
  }

  /** Of one direction, each packet once: as the kernel counted them, else as they were traced. */
  packets(direction: DirectionIndex): number {
    return this.isCounted(direction)
      ? this.count(direction, block.SOURCE_PACKETS)
      : (this.tracedIn(direction)?.packets ?? 0);
  }

  /** IP bytes of the innermost packets. */
  bytes(direction: DirectionIndex): number {
    return this.isCounted(direction)
      ? this.count(direction, block.SOURCE_BYTES)
      : (this.tracedIn(direction)?.bytes ?? 0);
  }

  /** Whether the kernel's counter has met the direction. */
  isCounted(direction: DirectionIndex): boolean {
    return this.count(direction, block.SOURCE_PACKETS) > 0;
  }

  counted(direction: DirectionIndex): CountedPackets | null {
    if (!this.isCounted(direction)) {
      return null;
    }
    const hasEnd = this.wordAt(block.POINTS + direction * 2 + 1) !== 0;
    return {
      atSource: this.count(direction, block.SOURCE_PACKETS),
      atDestination: hasEnd ? this.count(direction, block.DESTINATION_PACKETS) : null,
    };
  }

  drops(direction: DirectionIndex): number {
    return this.tracedIn(direction)?.drops ?? 0;
  }

  legs(direction: DirectionIndex): readonly Leg[] {
    return this.tracedIn(direction)?.legs ?? NO_LEGS;
  }

  /** First hop to last, nanoseconds; null where no packet was traced to its end. */
  latency(direction: DirectionIndex): Histogram | null {
    return this.tracedIn(direction)?.latency ?? null;
  }

  /** Where packets of a direction were first seen, and where they were delivered. */
  firstDevice(direction: DirectionIndex): Device | null {
    return this.tracedIn(direction)?.first ?? null;
  }

  lastDevice(direction: DirectionIndex): Device | null {
    return this.tracedIn(direction)?.last ?? null;
  }

  /**
   * What an answer looks like when it is sent, as conntrack has it. It is known better only
   * where it differs from what comes back: that may have been translated before it was seen.
   */
  learnReply(reply: Tuple | null): void {
    // A tuple and its reverse have numbers that differ in the lowest bit only.
    const isTurnedBack =
      this.wordAt(block.REPLY_TUPLE) >> 1 === this.wordAt(block.ORIGINAL_TUPLE) >> 1;
    const isSent = this.traced !== null && this.traced.starts[REPLY] !== START_UNKNOWN;
    if (reply !== null && (!this.hasReply || (isTurnedBack && !isSent))) {
      this.reply = reply;
    }
  }

  /** Whether no packet of it was seen whole: then another flow may take over all of it. */
  get isPartial(): boolean {
    return this.traced === null || this.traced.isFragmentary;
  }

  /** Paths traced. */
  get paths(): number {
    return this.traced?.paths ?? 0;
  }

  /** Events of it known to be lost. */
  get lost(): number {
    return this.traced === null ? 0 : this.traced.cut + this.traced.missed;
  }

  /** Smallest room for an inner IP packet among the devices passed, bytes; 0 unknown. */
  get pathMtu(): number {
    const [one, other] = [this.pathMtuOf(ORIGINAL), this.pathMtuOf(REPLY)];
    return one === 0 || other === 0 ? Math.max(one, other) : Math.min(one, other);
  }

  /** The same of one direction. */
  pathMtuOf(direction: DirectionIndex): number {
    return this.tracedIn(direction)?.pathMtu ?? 0;
  }

  /** Of its newest packet traced. */
  get lastVerdict(): PathVerdict {
    return this.traced?.lastVerdict ?? 'unknown';
  }

  /** Drops of what had arrived before: no loss. */
  get duplicates(): number {
    return this.traced?.tcp?.duplicates ?? 0;
  }

  /** Drops by enum skb_drop_reason. */
  get reasons(): ReadonlyMap<number, number> {
    return this.traced?.reasons ?? NO_REASONS;
  }

  get encapsulations(): readonly FlowEncapsulation[] {
    return this.traced?.encapsulations ?? NO_ENCAPSULATIONS;
  }

  get proxiedFrom(): string | null {
    return this.traced?.proxiedFrom ?? null;
  }

  get proxiedTo(): readonly string[] {
    return this.traced?.proxiedTo ?? NO_IDS;
  }

  /** What its paths showed, made for the first of them. */
  makeTraced(): Traced {
    let { traced } = this;
    if (traced === null) {
      traced = new Traced();
      this.block.setTraced(this.at, traced);
    }
    return traced;
  }

  forgetTraced(): void {
    if (this.block.traced !== null) {
      this.block.setTraced(this.at, null);
    }
  }

  tracedIn(direction: DirectionIndex): TracedDirection | null {
    return this.traced === null ? null : this.traced.direction(direction);
  }

  /** Reads and sets a word, a double or a count of a direction; see flow-block.ts. */
  wordAt(offset: number): number {
    return this.block.words[this.at * block.WORDS + offset] as number;
  }

  word(offset: number, value: number): void {
    this.block.words[this.at * block.WORDS + offset] = value;
  }

  doubleAt(offset: number): number {
    return this.block.doubles[this.at * block.DOUBLES + offset] as number;
  }

  double(offset: number, value: number): void {
    this.block.doubles[this.at * block.DOUBLES + offset] = value;
  }

  count(direction: DirectionIndex, offset: number): number {
    return this.doubleAt(block.COUNTS + direction * block.COUNTS_OF_DIRECTION + offset);
  }

  setCount(direction: DirectionIndex, offset: number, value: number): void {
    this.double(block.COUNTS + direction * block.COUNTS_OF_DIRECTION + offset, value);
  }

  get hasBothWays(): boolean {
    return this.packets(ORIGINAL) > 0 && this.packets(REPLY) > 0;
  }
}
