import { EMPTY_CATALOG } from '../../src/name/catalog.js';
import { layoutFingerprint } from '../../src/source/recording-format.js';
import { RecordingWriter } from '../../src/source/recording-writer.js';
import { AT_POD1, AT_POD2, Connection } from '../fixtures/connection.js';
import { ADDRESSES } from '../fixtures/places.js';
import { TAPE_START, Tape } from '../fixtures/tape.js';

/**
 * Writes a recording: a datagram of each of some flows of pod1's, tracked and translated, as one
 * CPU records them.
 *
 * @returns its hops
 */
export function recordFlows(file: string, flows: number): number {
  const tape = new Tape();
  for (let index = 0; index < flows; index += 1) {
    const { pod1: src, service: dst, pod2 } = ADDRESSES;
    new Connection(tape, {
      ...{ proto: 'udp', src, dst, sport: 40_000 + index, dport: 53 },
      ...{ from: AT_POD1, to: AT_POD2, dnat: { dst: pod2, dport: 53 } },
      ctAddress: 0xffff_8880_1000_0000n + BigInt(index * 256),
    })
      .send('original', { id: index + 1 })
      .free();
  }
  const writer = new RecordingWriter(file, {
    format: 1,
    layout: layoutFingerprint(),
    epochNs: String(TAPE_START),
    kernel: 'test',
    missing: [],
  });
  writer.catalog(EMPTY_CATALOG);
  const batch = tape.grouped();
  writer.batch(batch, batch.byteLength);
  writer.finish({ lost: '0', own: '0', symbols: [] });
  return tape.hopCount;
}
