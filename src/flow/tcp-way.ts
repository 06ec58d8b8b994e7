import type { Place } from '../join/place.js';
import { HISTOGRAM_BYTES, Histogram } from './histogram.js';

/** Segments of one direction that did not arrive, as far as it was seen, and wait for what is said of them. */
export const UNARRIVED_LIMIT = 8;
/** Retransmissions whose first copy has not ended yet. */
export const UNPLACED_LIMIT = 8;
/** Places of one direction at which segments vanished. */
export const LOST_PLACES_LIMIT = 8;

/** One segment, as it was last seen. */
export interface SentSegment {
  readonly seq: number;
  /** The sequence number after its last byte; a SYN and a FIN count as one. */
  readonly end: number;
  /** At its first hop. */
  readonly sentAt: number;
  /** At its last hop; -1 where it was not seen to arrive. */
  readonly arrivedAt: number;
  /** Whether `sentAt` is when its sender sent it. */
  readonly isStartSeen: boolean;
  readonly lastPlace: Place;
  /** enum skb_drop_reason; -1 where it was not dropped. */
  readonly reason: number;
}

/** Segments that were sent again because they vanished at one place. */
export interface LostPlace {
  readonly place: Place;
  readonly reason: number;
  segments: number;
}

interface Unarrived {
  readonly seq: number;
  readonly end: number;
  readonly place: Place;
  readonly reason: number;
}

/** Whether one sequence number is after another (RFC 9293, 3.4). */
function isAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

/**
 * One direction of a TCP connection, by the segments of it that were traced. A segment below the
 * highest sent so far is a retransmission when it was sent later than that one, and out of order
 * when it was sent earlier and came later.
 */
export class TcpWay {
  retransmitted = 0;
  /** Of them, those whose first copy had arrived. */
  arrivedBefore = 0;
  outOfOrder = 0;
  /** Dropped because what they hold had arrived. */
  duplicates = 0;
  /** Times that its sender has closed its window, and whether it is closed. */
  zeroWindows = 0;
  isWindowClosed = false;
  resets = 0;
  /** From a segment to its acknowledgment, at the sender, nanoseconds. */
  rtt: Histogram | null = null;
  /** Where copies vanished that were sent again; null before the first. */
  lostPlaces: LostPlace[] | null = null;
  /** Lost segments at places past LOST_PLACES_LIMIT. */
  placesRefused = 0;
  #isBegun = false;
  #highest = 0;
  #highestSentAt = 0;
  /** The segment whose acknowledgment is timed; one at a time, and none that was sent twice (Karn). */
  #timedEnd = 0;
  #timedAt = -1;
  /** Bytes known to have arrived, without a gap. */
  #arrivedFrom = 0;
  #arrivedTo = 0;
  #hasArrived = false;
  #unarrived: Unarrived[] | null = null;
  #unplaced: { readonly seq: number; readonly end: number }[] | null = null;

  /** Retransmissions of which nothing says what became of the first copy. */
  get unexplained(): number {
    let lost = 0;
    for (const { segments } of this.lostPlaces ?? []) lost += segments;
    return Math.max(0, this.retransmitted - this.arrivedBefore - lost - this.placesRefused);
  }

  /** A new connection under the same addresses: its numbers are others. */
  restart(): void {
    this.#isBegun = false;
    this.#timedAt = -1;
    this.#hasArrived = false;
    this.#unarrived = null;
    this.#unplaced = null;
  }

  sent(segment: SentSegment): void {
    const { seq, end, sentAt, arrivedAt } = segment;
    if (!this.#isBegun || isAfter(end, this.#highest)) {
      this.#isBegun = true;
      this.#highest = end;
      this.#highestSentAt = sentAt;
      if (this.#timedAt < 0 && segment.isStartSeen) {
        this.#timedEnd = end;
        this.#timedAt = sentAt;
      }
    } else if (sentAt < this.#highestSentAt) {
      if (arrivedAt >= 0) this.outOfOrder += 1;
      else if (this.#placeLate(segment)) return;
    } else {
      this.#sentAgain(seq, end);
    }
    if (arrivedAt >= 0) this.#arrived(seq, end);
    else this.#remember(segment);
  }

  /**
   * The other side has acknowledged all up to `ack`.
   *
   * @param at when that was known to the sender; -1 where it was not seen to arrive
   * @returns by how many bytes the histogram grew
   */
  acknowledged(ack: number, at: number): number {
    if (!this.#isBegun || isAfter(ack, this.#highest)) return 0;
    if (this.#unarrived !== null) {
      this.#unarrived = this.#unarrived.filter(({ end }) => isAfter(end, ack));
    }
    if (this.#timedAt < 0 || isAfter(this.#timedEnd, ack)) return 0;
    const took = at - this.#timedAt;
    this.#timedAt = -1;
    if (at < 0 || took <= 0) return 0;
    const begun = this.rtt === null ? HISTOGRAM_BYTES : 0;
    this.rtt ??= new Histogram();
    return begun + this.rtt.add(took);
  }

  noteWindow(window: number): void {
    if (window < 0) return;
    if (window === 0 && !this.isWindowClosed) this.zeroWindows += 1;
    this.isWindowClosed = window === 0;
  }

  #sentAgain(seq: number, end: number): void {
    this.retransmitted += 1;
    if (this.#timedAt >= 0 && isAfter(this.#timedEnd, seq)) this.#timedAt = -1;
    const lost = this.#unarrived?.find((one) => overlaps(one, seq, end));
    if (lost !== undefined) {
      this.#unarrived = this.#unarrived?.filter((one) => one !== lost) ?? null;
      this.#lostAt(lost.place, lost.reason);
    } else if (
      this.#hasArrived &&
      !isAfter(this.#arrivedFrom, seq) &&
      !isAfter(end, this.#arrivedTo)
    ) {
      this.arrivedBefore += 1;
    } else {
      this.#unplaced ??= [];
      this.#unplaced.push({ seq, end });
      if (this.#unplaced.length > UNPLACED_LIMIT) this.#unplaced.shift();
    }
  }

  /** Whether a copy that ended only now is the first of one that was sent again already. */
  #placeLate({ seq, end, lastPlace, reason }: SentSegment): boolean {
    const at = this.#unplaced?.findIndex((one) => overlaps(one, seq, end)) ?? -1;
    if (at < 0) return false;
    this.#unplaced?.splice(at, 1);
    this.#lostAt(lastPlace, reason);
    return true;
  }

  #lostAt(place: Place, reason: number): void {
    this.lostPlaces ??= [];
    const known = this.lostPlaces.find((one) => one.place === place && one.reason === reason);
    if (known !== undefined) known.segments += 1;
    else if (this.lostPlaces.length < LOST_PLACES_LIMIT) {
      this.lostPlaces.push({ place, reason, segments: 1 });
    } else this.placesRefused += 1;
  }

  #arrived(seq: number, end: number): void {
    if (!this.#hasArrived || isAfter(seq, this.#arrivedTo)) this.#arrivedFrom = seq;
    if (!this.#hasArrived || isAfter(end, this.#arrivedTo)) this.#arrivedTo = end;
    this.#hasArrived = true;
  }

  #remember({ seq, end, lastPlace: place, reason }: SentSegment): void {
    this.#unarrived ??= [];
    this.#unarrived.push({ seq, end, place, reason });
    if (this.#unarrived.length > UNARRIVED_LIMIT) this.#unarrived.shift();
  }
}

function overlaps(one: { readonly seq: number; readonly end: number }, seq: number, end: number) {
  return isAfter(end, one.seq) && isAfter(one.end, seq);
}
