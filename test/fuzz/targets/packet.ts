import { decodeEthernet, decodeIp, decodeNetwork } from '../../../src/packet/decode.js';
import { DecodedPacket } from '../../../src/packet/decoded-packet.js';
import { PACKET_TEXT } from '../../packet/packet-text.js';
import { RESULT_FIELDS } from '../../packet/summary.js';
import { disagreement } from '../../packet/truncation.js';
import { GuardedView } from '../guarded-view.js';
import { impossible } from '../packet-invariants.js';
import type { Random } from '../random.js';
import type { Era, Target } from '../target.js';

const ETHER_TYPES = [0x0800, 0x86dd, 0x0806, 0x6558, 0x88cc];

type Decode = typeof decodeEthernet;
type Link = 'ethernet' | 'ip';

/** Where a packet is put among bytes that are none of its own. */
const OFFSET = 24;
const AROUND = 64;

class PacketEra implements Era {
  good = 0;
  readonly #link: Link;
  readonly #reused = new DecodedPacket();
  readonly #cut = new DecodedPacket();

  constructor(link: Link) {
    this.#link = link;
  }

  check(input: Uint8Array, random: Random): void {
    const bytes = new Uint8Array(input.length + AROUND).fill(0x45);
    bytes.set(input, OFFSET);
    const decode = decoder(random, this.#link);
    const wireLength = [0, input.length, input.length + random.below(2000)][random.below(3)] ?? 0;
    const guarded = (length: number): GuardedView =>
      new GuardedView(bytes, OFFSET, OFFSET + length);

    const fresh = new DecodedPacket();
    decode(fresh, guarded(input.length), OFFSET, input.length, wireLength);
    const wrong = impossible(fresh);
    if (wrong !== null) throw new Error(wrong);
    if (fresh.error === 0 && !fresh.truncated && fresh.family !== 0) this.good += 1;
    for (const text of [
      PACKET_TEXT.src(fresh),
      PACKET_TEXT.outerDst(fresh),
      PACKET_TEXT.quotedSrc(fresh),
      PACKET_TEXT.arpSenderIp(fresh),
    ]) {
      if (!/^[0-9a-f:.]*$/.test(text)) throw new Error(`address '${text}'`);
    }

    const reused = this.#reused;
    decode(reused, guarded(input.length), OFFSET, input.length, wireLength);
    for (const name of RESULT_FIELDS) {
      if (reused[name] !== fresh[name]) throw new Error(`${name} is left over`);
    }

    const length = random.below(input.length);
    decode(this.#cut, guarded(length), OFFSET, length, wireLength);
    const differs = disagreement(this.#cut, fresh);
    if (differs !== null) throw new Error(`cut at ${length}: ${differs}`);
  }
}

/** Packets as a device with link headers has them, and one without. */
export const PACKET_TARGETS: readonly Target[] = (['ethernet', 'ip'] as const).map((link) => ({
  name: `packet-${link}`,
  kind: 'bytes',
  longest: 2048,
  era: null,
  lanes: 1,
  leastGood: 0.1,
  begin: () => new PacketEra(link),
}));

function decoder(random: Random, link: Link): Decode {
  if (random.below(8) !== 0) return link === 'ethernet' ? decodeEthernet : decodeIp;
  const etherType = random.pick(ETHER_TYPES);
  return (p, view, offset, length, wireLength) =>
    decodeNetwork(p, view, offset, length, etherType, wireLength);
}
