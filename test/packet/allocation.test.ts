import { memoryUsage } from 'node:process';
import { expect, it } from 'vitest';
import { decodeEthernet, decodeIp } from '../../src/packet/decode.js';
import { DecodedPacket } from '../../src/packet/decoded-packet.js';
import { FIXTURES } from './fixtures.js';
import { viewOf } from './hex.js';

const PACKETS = FIXTURES.map(({ link, bytes, wireLength }) => ({
  decode: link === 'ethernet' ? decodeEthernet : decodeIp,
  view: viewOf(bytes),
  length: bytes.length,
  wireLength: wireLength ?? bytes.length,
}));

/** Bytes of heap that decoding every fixture so many times takes. */
function growth(p: DecodedPacket, rounds: number): number {
  const before = memoryUsage().heapUsed;
  for (let round = 0; round < rounds; round++) {
    for (const { decode, view, length, wireLength } of PACKETS) {
      decode(p, view, 0, length, wireLength);
    }
  }
  return memoryUsage().heapUsed - before;
}

it('allocates nothing for a packet, whatever it holds, once compiled', () => {
  const p = new DecodedPacket();
  const rounds = 2000;
  // The compiler decides when; a collection within a measure makes it negative and void.
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 50 && least > 0.1; attempt++) {
    const bytes = growth(p, rounds) / (rounds * PACKETS.length);
    if (bytes >= 0) least = Math.min(least, bytes);
  }
  // One number on the heap would be 16 bytes.
  expect(least).toBeLessThan(0.1);
});
