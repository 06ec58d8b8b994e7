import { runCommand, runIn } from '../../src/lab/run-command.js';

/** Namespaces of these tests begin so, devices of the host likewise. */
const PREFIX = 'hs-src-';

/** A namespace with one address. */
export interface End {
  readonly netns: string;
  readonly address: string;
}

export const LEFT = { netns: `${PREFIX}left`, address: '192.0.2.1' } as const;
export const RIGHT = { netns: `${PREFIX}right`, address: '192.0.2.2' } as const;

/** Two namespaces joined by a veth pair, `eth0` on both sides. */
export async function makePair(left: End = LEFT, right: End = RIGHT): Promise<void> {
  for (const { netns } of [left, right]) await runCommand('ip', ['netns', 'add', netns]);
  await runCommand('ip', [
    ...['link', 'add', 'eth0', 'netns', left.netns, 'type', 'veth'],
    ...['peer', 'name', 'eth0', 'netns', right.netns],
  ]);
  for (const { netns, address } of [left, right]) {
    await runIn(netns, 'sysctl', ['-q', '-w', 'net.ipv6.conf.all.disable_ipv6=1']);
    await runIn(netns, 'ip', ['address', 'add', `${address}/24`, 'dev', 'eth0']);
    await runIn(netns, 'ip', ['link', 'set', 'eth0', 'up']);
  }
}

export async function removePair(left: End = LEFT, right: End = RIGHT): Promise<void> {
  for (const { netns } of [left, right]) {
    await runCommand('ip', ['netns', 'del', netns]).catch(() => undefined);
  }
}
