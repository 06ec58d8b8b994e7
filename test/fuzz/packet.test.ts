import { expect, it } from 'vitest';
import { decodeEthernet, decodeIp, decodeNetwork } from '../../src/packet/decode.js';
import { DecodedPacket } from '../../src/packet/decoded-packet.js';
import { FIXTURES } from '../packet/fixtures.js';
import { PACKET_TEXT } from '../packet/packet-text.js';
import { RESULT_FIELDS } from '../packet/summary.js';
import { disagreement } from '../packet/truncation.js';
import { campaign } from './campaign.js';
import { GuardedView } from './guarded-view.js';
import { impossible } from './packet-invariants.js';
import type { Random } from './random.js';

const ETHER_TYPES = [0x0800, 0x86dd, 0x0806, 0x6558, 0x88cc];

type Decode = typeof decodeEthernet;

/** Where a packet is put among bytes that are none of its own. */
const OFFSET = 24;
const AROUND = 64;

function decoder(random: Random, link: 'ethernet' | 'ip'): Decode {
  if (random.below(8) !== 0) return link === 'ethernet' ? decodeEthernet : decodeIp;
  const etherType = random.pick(ETHER_TYPES);
  return (p, view, offset, length, wireLength) =>
    decodeNetwork(p, view, offset, length, etherType, wireLength);
}

it.each(['ethernet', 'ip'] as const)('decodes anything that begins with %s', async (link) => {
  const corpus = FIXTURES.filter((fixture) => fixture.link === link).map(({ bytes }) => bytes);
  const reused = new DecodedPacket();
  const cut = new DecodedPacket();
  let whole = 0;
  const runs = await campaign(`packet, ${link}`, corpus, (input, random) => {
    const bytes = new Uint8Array(input.length + AROUND).fill(0x45);
    bytes.set(input, OFFSET);
    const decode = decoder(random, link);
    const wireLength = [0, input.length, input.length + random.below(2000)][random.below(3)] ?? 0;

    const fresh = new DecodedPacket();
    decode(
      fresh,
      new GuardedView(bytes, OFFSET, OFFSET + input.length),
      OFFSET,
      input.length,
      wireLength,
    );
    const wrong = impossible(fresh);
    if (wrong !== null) throw new Error(wrong);
    if (fresh.error === 0 && !fresh.truncated && fresh.family !== 0) whole++;
    for (const text of [
      PACKET_TEXT.src(fresh),
      PACKET_TEXT.outerDst(fresh),
      PACKET_TEXT.embeddedSrc(fresh),
      PACKET_TEXT.arpSenderIp(fresh),
    ]) {
      if (!/^[0-9a-f:.]*$/.test(text)) throw new Error(`address '${text}'`);
    }

    decode(
      reused,
      new GuardedView(bytes, OFFSET, OFFSET + input.length),
      OFFSET,
      input.length,
      wireLength,
    );
    for (const name of RESULT_FIELDS) {
      if (reused[name] !== fresh[name]) throw new Error(`${name} is left over`);
    }

    const length = random.below(input.length);
    decode(cut, new GuardedView(bytes, OFFSET, OFFSET + length), OFFSET, length, wireLength);
    const differs = disagreement(cut, fresh);
    if (differs !== null) throw new Error(`cut at ${length}: ${differs}`);
  });
  // Mutations that destroyed every packet would prove nothing.
  expect(whole / runs).toBeGreaterThan(runs > 100 ? 0.1 : -1);
});
