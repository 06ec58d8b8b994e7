import { type Attempt, attempt, attemptInScratch, couldNotTry } from './attempt.js';
import {
  absent,
  available,
  type Finding,
  type FindingSubject,
  finding,
  type Observation,
  unknown,
} from './diagnosis.js';

type ToolSubject = FindingSubject & {
  readonly command: readonly [string, ...string[]];
  /** Whether it only answers when it may talk to the kernel. */
  readonly inScratch: boolean;
};

function tool(
  id: string,
  need: 'wanted' | 'optional',
  title: string,
  consequence: string,
  debianPackage: string,
  command: readonly [string, ...string[]],
  inScratch = false,
): ToolSubject {
  const remedy = `apt-get install ${debianPackage}`;
  return { id, area: 'tools', title, need, consequence, remedy, command, inScratch };
}

const TOOLS: readonly ToolSubject[] = [
  tool('tool-ip', 'wanted', 'ip', 'devices and namespaces have no names', 'iproute2', ['ip', '-V']),
  tool(
    'tool-iptables',
    'wanted',
    'iptables',
    'services are not named from the rules of nodes, and the lab has no services',
    'iptables',
    ['iptables', '-t', 'nat', '-S'],
    true,
  ),
  tool('tool-nft', 'optional', 'nft', 'no `lab up --proxy nftables`', 'nftables', [
    'nft',
    '--version',
  ]),
  tool(
    'tool-ipset',
    'optional',
    'ipset',
    'the lab has no network policies',
    'ipset',
    ['ipset', 'list', '-n'],
    true,
  ),
  tool('tool-ipvsadm', 'optional', 'ipvsadm', 'no `lab up --proxy ipvs`', 'ipvsadm', [
    'ipvsadm',
    '--version',
  ]),
  tool('tool-wg', 'optional', 'wg', 'no `lab up --encap wireguard`', 'wireguard-tools', [
    'wg',
    '--version',
  ]),
  tool('tool-ping', 'optional', 'ping', 'the lab has no ICMP traffic', 'iputils-ping', [
    'ping',
    '-V',
  ]),
];

export async function examineTools(): Promise<Finding[]> {
  return Promise.all(
    TOOLS.map(async (each) => {
      const [command, ...args] = each.command;
      const result = await (each.inScratch ? attemptInScratch : attempt)(command, args);
      return finding(each, observationOf(result, each.inScratch));
    }),
  );
}

function observationOf(result: Attempt, inScratch: boolean): Observation {
  // unshare(1) says by its words and not by its status that it found no program.
  if (result.status === 127 || /^unshare: .*No such file/.test(result.complaint)) {
    return absent('not installed');
  }
  if (couldNotTry(result)) return unknown(result.complaint);
  // A version is asked for only to see that the program is there.
  if (!inScratch) return available(firstLine(result.stdout));
  if (result.status === 0) return available();
  return absent(result.complaint || null);
}

function firstLine(text: string): string | null {
  return text.trim().split('\n')[0] || null;
}
