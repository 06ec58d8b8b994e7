import { compilePacketFilter } from 'ebpf-ts';
import { KernelProgramError, kernelFilter } from '../../../src/filter/kernel-program.js';
import { PacketFilter } from '../../../src/filter/packet-filter.js';
import { UsageError } from '../../../src/model/errors.js';
import { decodeEthernet, decodeIp } from '../../../src/packet/decode.js';
import { DecodedPacket } from '../../../src/packet/decoded-packet.js';
import { FIXTURES } from '../../packet/fixtures.js';
import { GuardedView } from '../guarded-view.js';
import type { Random } from '../random.js';
import type { Era, Target } from '../target.js';

const CODES = new Set(['FILTER_SYNTAX', 'FILTER_TOO_LONG']);

/** Expressions of pcap-filter(7), compiled and asked of packets. */
export const FILTER_EXPRESSION_TARGET: Target = {
  name: 'filter-expression',
  kind: 'text',
  longest: 4200,
  words: [
    ...[' and ', ' or ', ' not ', '(', ')', '!', '&&', '||', ' host 10.0.0.1 ', ' net 10.0.0.0/8 '],
    ...[' port 80 ', ' portrange 1-99 ', ' src ', ' dst ', ' tcp ', ' udp ', ' icmp ', ' icmp6 '],
    ...[
      ' ip ',
      ' ip6 ',
      ' arp ',
      ' ether ',
      ' vlan ',
      ' vlan 5 ',
      ' mpls ',
      ' proto 6 ',
      ' protochain 6 ',
    ],
    ...[
      ' len ',
      ' greater 100 ',
      ' less 100 ',
      'ip[0]',
      'tcp[13] & 2 != 0',
      'ip6[6:2]',
      'ether[12:4]',
    ],
    ...[' = ', ' > ', ' <= ', ' + ', ' * ', ' / ', ' % ', ' << ', ' 0 ', '0xffffffff', ' -1 '],
    ...[
      ' geneve ',
      ' pppoes ',
      ' multicast ',
      ' broadcast ',
      'fd00::1',
      '02:00:00:00:00:01',
      'tcpflags',
    ],
  ],
  era: null,
  lanes: 1,
  leastGood: 0.1,
  begin: () => new FilterExpressionEra(),
};

class FilterExpressionEra implements Era {
  good = 0;
  readonly #decoded = new DecodedPacket();

  check(input: Uint8Array, random: Random): void {
    let filter: PacketFilter;
    try {
      filter = new PacketFilter(withoutNames(Buffer.from(input).toString()), compilePacketFilter);
    } catch (error) {
      if (error instanceof UsageError && CODES.has(error.code)) return;
      // The binding's own: a text that holds a NUL has an end that is not its end.
      if (error instanceof Error && 'code' in error && error.code === 'BPF_BAD_ARGUMENT') return;
      throw error;
    }
    try {
      kernelFilter(filter);
    } catch (error) {
      if (!(error instanceof KernelProgramError)) throw error;
    }
    for (let i = 0; i < 4; i++) this.#ask(filter, random);
    this.good += 1;
  }

  #ask(filter: PacketFilter, random: Random): void {
    const { bytes, link } = random.pick(FIXTURES);
    const length = random.below(3) === 0 ? random.below(bytes.length + 1) : bytes.length;
    const view = new GuardedView(new Uint8Array(bytes), 0, length);
    const decode = link === 'ethernet' ? decodeEthernet : decodeIp;
    decode(this.#decoded, view, 0, length, bytes.length);
    const verdicts = [0, 1].map(() =>
      filter.matches(view, 0, length, link === 'ethernet', bytes.length, this.#decoded),
    );
    if (verdicts[0] !== verdicts[1]) throw new Error('one packet, two verdicts');
  }
}

/** Of pcap-filter(7); what is none of them would be looked up as a name of a host. */
const KEYWORDS = new Set(
  (
    'and or not host net mask port portrange src dst gateway proto protochain broadcast multicast less ' +
    'greater len inbound outbound ifindex vlan mpls pppoed pppoes geneve tcp udp icmp icmp6 igmp igrp ' +
    'ip ip6 arp rarp ether fddi tr wlan link ppp slip sctp ah esp pim vrrp carp atalk aarp decnet lat ' +
    'moprc mopdl iso stp ipx netbeui radio tcpflags tcp-fin tcp-syn tcp-rst tcp-push tcp-ack tcp-urg ' +
    'tcp-ece tcp-cwr icmptype icmpcode icmp-echo icmp-echoreply icmp-unreach icmp6type icmp6code lane ' +
    'llc type subtype dir addr1 addr2 ra ta sio opc dpc sls oam oamf4 connectmsg metaconnect bcc sc'
  ).split(' '),
);
const NUMBER = /^(0x[0-9a-f]+|\d+(-\d+)?|\d{1,3}(\.\d{1,3}){1,3})$/iu;

/** Looking names up would take the campaign's time, and is not what it is about. */
function withoutNames(text: string): string {
  return text.replace(/[\p{L}\p{N}_][\p{L}\p{N}_.:-]*/gu, (word) =>
    KEYWORDS.has(word) || NUMBER.test(word) || /^[0-9a-f]*:[0-9a-f:.]*$/iu.test(word) ? word : '7',
  );
}
