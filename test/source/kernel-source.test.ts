import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { FlowRecord, FlowsMessage, PathRecord } from 'hopscope-protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labDown } from '../../src/lab/down.js';
import { runCommand, runIn } from '../../src/lab/run-command.js';
import { ALL_NETNS } from '../../src/lab/topology.js';
import { labUp } from '../../src/lab/up.js';
import { HopscopeProcess } from '../scenario/hopscope-process.js';
import { SocketClient } from '../serve/socket-client.js';
import { heldBy, leftOf } from './attached.js';

const POD2 = '10.244.153.201';
const POD3 = '10.244.146.205';

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await labUp({ encap: 'vxlan' });
});
afterAll(async () => {
  await labDown();
});

/** All that an observer might have changed of the machine, counters left out. */
async function machine(): Promise<string[]> {
  const texts = [await runCommand('ip', ['netns', 'list'])];
  for (const netns of ALL_NETNS) {
    texts.push(
      await runIn(netns, 'iptables-save', []),
      await runIn(netns, 'nft', ['list', 'ruleset']),
      await runIn(netns, 'ip', ['link']),
      await runIn(netns, 'ip', ['route', 'show', 'table', 'all']),
      await runIn(netns, 'tc', ['qdisc', 'show']),
      await runIn(netns, 'sysctl', ['net.ipv4.conf', 'net.netfilter.nf_conntrack_acct']),
    );
  }
  return texts.map((text) =>
    text
      .replace(/^#.*$/gm, '')
      .replace(/\[\d+:\d+\]/g, '')
      .replace(/packets \d+ bytes \d+/g, ''),
  );
}

async function gone(held: ReturnType<typeof heldBy>): Promise<void> {
  // The kernel frees programs a grace period after the last user.
  await expect
    .poll(() => leftOf(held), { timeout: 3000, interval: 100 })
    .toEqual({ programs: [], links: [] });
}

describe('attaching', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)(
    'leaves nothing in the kernel after %s, and changes nothing before',
    async (signal) => {
      const before = await machine();
      const daemon = await HopscopeProcess.ready(['trace', '--json']);
      const held = heldBy(daemon.child.pid ?? 0);
      expect(held.programs.size).toBeGreaterThan(10);
      // The end of INPUT of both families in each, and the nodes' hooks.
      expect(held.links.size).toBeGreaterThan(ALL_NETNS.length * 2 + 20);
      expect((await leftOf(held)).links.length).toBe(held.links.size);
      expect(await machine()).toEqual(before);
      expect(await daemon.stop(signal)).toBe(signal === 'SIGKILL' ? null : 0);
      await gone(held);
      expect(await machine()).toEqual(before);
    },
  );

  it('works for two at a time', async () => {
    const daemons = await Promise.all([
      HopscopeProcess.ready(['trace', '--json', 'icmp']),
      HopscopeProcess.ready(['trace', '--json', 'icmp']),
    ]);
    await runIn('pod1', 'ping', ['-n', '-c', '2', '-i', '0.1', POD2]);
    const counts: number[] = [];
    for (const daemon of daemons) {
      await daemon.stop();
      const paths = daemon.records<PathRecord>();
      counts.push(paths.length);
      for (const path of paths) expect(path).toMatchObject({ complete: true });
    }
    expect(counts).toEqual([4, 4]);
  });
});

describe('limits on what is observed', () => {
  it('--netns shows hops of the named namespaces only', async () => {
    const names = ['pod1', 'node111'];
    const daemon = await HopscopeProcess.ready([
      ...['trace', '--json', '--netns', 'pod1', '--netns', 'node111'],
    ]);
    await runIn('pod1', 'ping', ['-n', '-c', '1', POD3]);
    await runIn('pod3', 'ping', ['-n', '-c', '1', '192.168.100.112']);
    await daemon.stop();
    const paths = daemon.records<PathRecord>();
    const seen = new Set(paths.flatMap((path) => path.hops.map(({ netns }) => netns)));
    expect([...seen].sort()).toEqual([...names].sort());
    const echoes = paths.filter(({ hops }) => hops[0]?.tuple?.proto === 'icmp');
    // Out of sight it went on: that is no drop, and no hole.
    expect(echoes.map(({ verdict, complete }) => [verdict, complete])).toEqual([
      ['forwarded', true],
      ['delivered', true],
    ]);
  });

  it('--filter shows what matches, inside a tunnel too, with all its hops', async () => {
    const all = await HopscopeProcess.ready(['trace', '--json']);
    const some = await HopscopeProcess.ready([
      ...['trace', '--json', '--filter', `icmp and host ${POD3}`],
    ]);
    await runIn('pod1', 'ping', ['-n', '-c', '1', POD3]);
    await runIn('pod1', 'ping', ['-n', '-c', '1', POD2]);
    await runIn('pod1', 'nc', ['-z', '-w', '1', POD3, '80']);
    await Promise.all([all.stop(), some.stop()]);
    const shape = ({ hops }: PathRecord): string =>
      hops.map((hop) => `${hop.netns} ${hop.dev} ${hop.stage} ${hop.hook} ${hop.len}`).join('\n');
    const wanted = all
      .records<PathRecord>()
      .filter(({ hops }) => hops[0]?.tuple?.proto === 'icmp')
      .filter(({ hops }) => [hops[0]?.tuple?.src, hops[0]?.tuple?.dst].includes(POD3));
    expect(wanted.length).toBe(2);
    const shown = some.records<PathRecord>();
    expect(shown.map(shape)).toEqual(wanted.map(shape));
  });

  it('leaves the traffic of its own dashboard out, and no other', async () => {
    const other = createServer((_, response) => response.end('other'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const otherPort = (other.address() as AddressInfo).port;
    const daemon = await HopscopeProcess.ready(['serve', '--port', '0']);
    try {
      const url = /dashboard on (http:\S+?)\/?$/m.exec(daemon.err)?.[1] ?? '';
      for (let i = 0; i < 5; i++) {
        expect((await fetch(`${url}/`)).status).toBe(200);
        expect(await (await fetch(`http://127.0.0.1:${otherPort}/`)).text()).toBe('other');
      }
      const client = await SocketClient.open(url);
      const shown = ({ rows }: FlowsMessage): (number | null)[] => rows.map(({ dst }) => dst.port);
      await client.next('flows', (message) => shown(message).includes(otherPort));
      // One tick more: what is left out must not come late either.
      await delay(1500);
      client.socket.close();
      const ports = client.messages.flatMap((message) =>
        message.type === 'flows' ? shown(message) : [],
      );
      expect(ports).not.toContain(Number(new URL(url).port));
    } finally {
      other.close();
      other.closeAllConnections();
      await daemon.stop();
    }
  });

  it('counts each packet once when the same flow crosses every device', async () => {
    const flows = await HopscopeProcess.ready(['flows', '--json', 'icmp']);
    await runIn('pod1', 'ping', ['-n', '-c', '5', '-i', '0.05', POD3]);
    await flows.stop();
    const last = flows.records<FlowRecord>().at(-1);
    expect(last).toMatchObject({
      packets: { original: '5', reply: '5' },
      bytes: { original: '420', reply: '420' },
      lost: '0',
    });
  });
});
