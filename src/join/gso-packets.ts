import type { DecodedPacket } from '../packet/decoded-packet.js';
import type { Path } from './path.js';
import type { Tuple } from './tuple.js';

/** GSO packets of one stream that may be under way at once; one more and the oldest is removed. */
export const GSO_PACKETS_PER_STREAM = 1024;

/**
 * Where in which stream GSO packets under way are, for their segments to be found by.
 * The owner removes every path that has ended, so its limit on open paths bounds the rest.
 */
export class GsoPackets {
  readonly #byTuple = new Map<Tuple, Path[]>();
  /** GSO packets removed because their stream had too many: their segments start anew. */
  refused = 0;

  /** Files a path that is a GSO packet from `time` on. */
  add(path: Path, tuple: Tuple, time: number): void {
    path.gsoTime = Math.min(path.gsoTime, time);
    if (path.gsoTuples[path.gsoTuples.length - 1] === tuple) {
      return;
    }
    path.gsoTuples = [...path.gsoTuples, tuple];
    const paths = this.#byTuple.get(tuple);
    if (paths === undefined) {
      this.#byTuple.set(tuple, [path]);
    } else if (!paths.includes(path)) {
      if (paths.length >= GSO_PACKETS_PER_STREAM) {
        paths.shift();
        this.refused += 1;
      }
      paths.push(path);
    }
  }

  /** The newest GSO packet of a stream that holds, at `time`, the place where a segment begins. */
  find(
    tuple: Tuple,
    segment: DecodedPacket,
    time: number,
    accepts: (path: Path) => boolean = () => true,
  ): Path | null {
    const paths = this.#byTuple.get(tuple);
    if (paths === undefined) {
      return null;
    }
    for (let i = paths.length - 1; i >= 0; i--) {
      const path = paths[i];
      if (
        path !== undefined &&
        path.gsoTime <= time &&
        (segment.tcpSeq - path.tcpSeq) >>> 0 < path.payloadLength &&
        accepts(path)
      ) {
        return path;
      }
    }
    return null;
  }

  get isEmpty(): boolean {
    return this.#byTuple.size === 0;
  }

  delete(path: Path): void {
    for (const tuple of path.gsoTuples) {
      const paths = this.#byTuple.get(tuple);
      const at = paths?.indexOf(path) ?? -1;
      if (paths === undefined || at < 0) {
        continue;
      }
      paths.splice(at, 1);
      if (paths.length === 0) {
        this.#byTuple.delete(tuple);
      }
    }
  }
}
