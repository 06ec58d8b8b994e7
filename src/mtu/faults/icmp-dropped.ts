import type { Family } from '../../network/ip-address.js';
import type { Namespace } from '../../network/machine.js';
import { commandIn } from '../command-text.js';
import type { ErrorDrop } from '../firewall-verdict.js';
import type { AuditInput } from '../input.js';
import { sentBy } from '../ways.js';
import type { Finding } from './finding.js';

const NAMES: Readonly<Record<Family, string>> = {
  4: 'fragmentation needed',
  6: 'packet too big',
};
const IPTABLES_TYPE: Readonly<Record<Family, readonly string[]>> = {
  4: ['-p', 'icmp', '--icmp-type', 'fragmentation-needed'],
  6: ['-p', 'ipv6-icmp', '--icmpv6-type', 'packet-too-big'],
};
const NFT_TYPE: Readonly<Record<Family, readonly string[]>> = {
  4: ['icmp', 'type', 'destination-unreachable', 'icmp', 'code', 'frag-needed'],
  6: ['icmpv6', 'type', 'packet-too-big'],
};

/** Rules drop the errors by which a sender learns of a smaller MTU. */
export function findIcmpDropped({ drops, ways }: AuditInput): Finding[] {
  const isNeeded = ways.some((way) => sentBy(way) > way.mtu);
  return [...drops].flatMap(([namespace, ofNamespace]) =>
    ofNamespace.map((drop) => {
      const { chain, rule, family, hook } = drop;
      return {
        id: 'icmp-dropped',
        severity: isNeeded ? 'error' : 'warning',
        netns: namespace.name,
        dev: rule?.condition.incoming ?? rule?.condition.outgoing ?? null,
        peer: null,
        found: { rule: rule?.text ?? `policy drop of ${chain.table} ${chain.name}`, hook },
        expected: { accepted: `ICMP${family === 6 ? 'v6' : ''} ${NAMES[family]}` },
        because:
          `${rule === null ? 'the policy' : 'a rule'} of ${chain.table} ${chain.name} drops ` +
          `${NAMES[family]}, so the sender of too large a packet is not notified` +
          (isNeeded ? ', and there are ways here that need it' : ''),
        evidence: ['rule'],
        remedy: remedyFor(namespace, drop),
      };
    }),
  );
}

function remedyFor(namespace: Namespace, { chain, rule, family }: ErrorDrop): string {
  if (rule !== null) return commandIn(namespace, ...rule.removal);
  const { command, table, name } = chain;
  const [program = ''] = command;
  return chain.tool === 'iptables'
    ? commandIn(
        namespace,
        program,
        '-t',
        table,
        '-I',
        name,
        ...IPTABLES_TYPE[family],
        '-j',
        'ACCEPT',
      )
    : commandIn(
        namespace,
        ...['nft', 'insert', 'rule', ...command.slice(1), table, name],
        ...NFT_TYPE[family],
        'accept',
      );
}
