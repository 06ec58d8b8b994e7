import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { probeTcx } from 'ebpf-ts';
import type { FlowRecord } from 'hopscope-protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { MAIN } from '../scenario/hopscope-process.js';
import { heldBy, leftOf } from './attached.js';
import {
  A,
  addPod,
  B,
  linkTraffic,
  makeCountedRouter,
  ROUTER,
  removeCountedRouter,
  removeDevice,
} from './counted-router.js';
import { StandInManager } from './stand-in-manager.js';

// A service starts twice in each, and the machine may be busy.
vi.setConfig({ testTimeout: 180_000 });

const PORT = 9000;
const SERVE = [
  ...[process.execPath, MAIN, 'serve', '--port', '0'],
  ...[ROUTER, A.netns, B.netns].flatMap((netns) => ['--netns', netns]),
];

/** Datagrams and a connection, a thousand packets a second, until its input ends; says how many. */
const TRAFFIC = `
import select, socket, sys, time
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect(('${B.ip}', ${PORT}))
tcp = socket.create_connection(('${B.ip}', ${PORT}))
sent = 0
print('sending', flush=True)
while not select.select([sys.stdin], [], [], 0.001)[0]:
    udp.send(bytes(64))
    if sent % 10 == 0:
        tcp.send(bytes(100))
    sent += 1
tcp.close()
print(sent, flush=True)
`;
const SINK = `
import socket
s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(('${B.ip}', ${PORT})); s.listen()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('${B.ip}', ${PORT}))
print('bound', flush=True)
c = s.accept()[0]
while c.recv(65536): pass
c.close()
`;

const children: ChildProcess[] = [];
let manager: StandInManager | null = null;

beforeAll(makeCountedRouter);
afterAll(removeCountedRouter);
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await manager?.stop();
});

function python(netns: string, program: string): ChildProcess {
  const child = spawn('ip', ['netns', 'exec', netns, 'python3', '-c', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  return child;
}

async function begin(): Promise<{ end: () => Promise<number> }> {
  const sink = python(B.netns, SINK);
  await once(sink.stdout as NodeJS.ReadableStream, 'data');
  const sender = python(A.netns, TRAFFIC);
  let out = '';
  sender.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  await once(sender.stdout as NodeJS.ReadableStream, 'data');
  return {
    end: async () => {
      sender.stdin?.end();
      await once(sender, 'close');
      await wait(300);
      return Number(out.replace('sending', ''));
    },
  };
}

async function flowsOf(url: string): Promise<FlowRecord[]> {
  const answer = await fetch(`${url}/api/flows?limit=100`);
  return ((await answer.json()) as { flows: FlowRecord[] }).flows;
}

function datagrams(flows: readonly FlowRecord[]): FlowRecord | undefined {
  return flows.find(({ original }) => original.proto === 'udp' && original.dport === PORT);
}

/** The joiner and the server of a service; tools that read rules come and go. */
function unprivilegedOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return (children === '' ? [] : children.split(' ').map(Number)).flatMap((child) => {
    try {
      const isOurs = /(?:joiner|server)-main\.js/u.test(
        readFileSync(`/proc/${child}/cmdline`, 'utf8'),
      );
      return [...(isOurs ? [child] : []), ...unprivilegedOf(child)];
    } catch {
      return [];
    }
  });
}

describe.skipIf(!probeTcx().available)('a restart', () => {
  it.each([
    ['SIGTERM', 0],
    ['SIGKILL', -9],
  ] as const)('after %s leaves no packet out of a flow’s counts', async (signal, status) => {
    manager = new StandInManager('restart', SERVE);
    let url = await manager.start();
    const before = await linkTraffic(A);
    const traffic = await begin();
    await wait(1_500);
    const first = datagrams(await flowsOf(url));
    expect(await manager.end(signal)).toBe(status);
    // Nobody runs, and the kernel goes on counting.
    await wait(700);
    url = await manager.start();
    expect(manager.err).toContain('counting goes on from before the restart, on 2 devices');
    await wait(1_000);
    const sent = await traffic.end();
    const after = await linkTraffic(A);
    await expect
      .poll(async () => datagrams(await flowsOf(url))?.packets.original, { timeout: 10_000 })
      .toBe(String(sent));
    const flows = await flowsOf(url);
    const flow = datagrams(flows);
    expect(flow).toMatchObject({
      packets: { original: String(sent), reply: '0' },
      bytes: { original: String(sent * (20 + 8 + 64)) },
      counted: { original: { source: String(sent), destination: String(sent) } },
    });
    // It is the record from before: the same beginning, to what two clocks differ.
    const drift = Number(BigInt(flow?.start ?? 0) - BigInt(first?.start ?? 0));
    expect(Math.abs(drift)).toBeLessThan(50e6);
    // The kernel's own counters of the device are the judge of all flows together.
    const sum = (of: 'packets' | 'bytes', way: 'original' | 'reply'): number =>
      flows.reduce((total, each) => total + Number(each[of][way]), 0);
    expect({ packets: sum('packets', 'original'), bytes: sum('bytes', 'original') }).toEqual({
      packets: after.in.packets - before.in.packets,
      bytes: after.in.bytes - before.in.bytes,
    });
    expect(sum('packets', 'reply')).toBe(after.out.packets - before.out.packets);
    const tcp = flows.find(({ original }) => original.proto === 'tcp');
    expect(tcp?.state).toBe('closed');
  });

  it('says of packets that passed meanwhile neither that they were traced nor that they are lost', async () => {
    manager = new StandInManager('lost', [...SERVE, '--sample', 'all']);
    await manager.start();
    const traffic = await begin();
    await wait(1_500);
    await manager.end('SIGTERM');
    await wait(1_000);
    const url = await manager.start();
    await wait(7_000);
    const sent = await traffic.end();
    await expect
      .poll(async () => datagrams(await flowsOf(url))?.packets.original, { timeout: 10_000 })
      .toBe(String(sent));
    const flow = datagrams(await flowsOf(url));
    // Some may really have been lost, of those that this process was to trace.
    expect(Number(flow?.lost)).toBeLessThan(500);
    expect(Number(flow?.sampled?.of)).toBe(sent);
    expect(Number(flow?.sampled?.paths)).toBeLessThan(sent - 1_000);
    const quality = (await (await fetch(`${url}/api/quality`)).json()) as {
      sampling: { traced: string; of: string };
    };
    // What is counted in all is what this process could have traced.
    expect(Number(quality.sampling.of)).toBeLessThan(2 * sent - 2_000);
  });

  it('hands nothing to the processes without privileges, and a stop leaves nothing attached', async () => {
    manager = new StandInManager('family', SERVE);
    await manager.start();
    const mapsOf = (): number[] =>
      unprivilegedOf(manager?.pid ?? 0).map((one) => heldBy(one).maps.size);
    // The joiner has the ring, and what names functions.
    await expect.poll(mapsOf, { timeout: 10_000 }).toEqual([2, 0]);
    await manager.end('SIGTERM');
    await manager.start();
    const others = unprivilegedOf(manager.pid);
    expect(others).toHaveLength(2);
    const held = heldBy(manager.pid);
    expect(held.links.size).toBeGreaterThan(4);
    for (const pid of others) expect(heldBy(pid).links.size).toBe(0);
    await expect.poll(mapsOf, { timeout: 10_000 }).toEqual([2, 0]);
    expect(await manager.end('SIGTERM')).toBe(0);
    await manager.stop();
    await expect.poll(() => leftOf(held), { timeout: 10_000 }).toEqual({ programs: [], links: [] });
  });

  it('keeps no link of a device that has gone, and takes up one that came meanwhile', async () => {
    manager = new StandInManager('devices', SERVE);
    await manager.start();
    const [egress] = (await manager.names()).filter((name) => name.startsWith('tcx-'));
    expect(await manager.names()).toHaveLength(8);
    await manager.end('SIGTERM');
    await removeDevice(B);
    try {
      await manager.start();
      expect((await manager.names()).filter((name) => name.startsWith('tcx-'))).toHaveLength(2);
    } finally {
      await addPod(B);
    }
    await expect.poll(async () => (await manager?.names())?.length, { timeout: 20_000 }).toBe(8);
    expect(egress).toMatch(/^tcx-[0-9a-z]+-[0-9a-z]+-p$/u);
  });

  it.each([
    [
      'another version’s',
      'COUNTS_LAYOUT',
      (name: string) => name.replace(/-[0-9a-f]{8}-/u, '-01234567-'),
    ],
    ['of another kind', 'COUNTS_NOT_WHOLE', null],
  ] as const)('begins anew where what was kept is %s, and says so', async (_, code, renamed) => {
    manager = new StandInManager('anew', SERVE);
    await manager.start();
    const names = await manager.names();
    const tallies = names.find((name) => name.endsWith('-tallies')) ?? '';
    await manager.end('SIGTERM');
    if (renamed === null) manager.replace(tallies, '/etc/hostname');
    else manager.rename(tallies, renamed(tallies));
    const url = await manager.start();
    expect(manager.err).toMatch(new RegExp(`every flow is counted anew \\[${code}\\]`, 'u'));
    expect(manager.err).not.toContain('counting goes on');
    await expect.poll(async () => manager?.names(), { timeout: 20_000 }).toEqual(names);
    const traffic = await begin();
    await wait(500);
    const sent = await traffic.end();
    await expect
      .poll(async () => datagrams(await flowsOf(url))?.packets.original, { timeout: 10_000 })
      .toBe(String(sent));
    // Not twice: the programs from before are attached no more.
    const before = await linkTraffic(A);
    await runIn(A.netns, 'ping', ['-q', '-c', '3', '-i', '0.1', B.ip]);
    expect((await linkTraffic(A)).in.packets - before.in.packets).toBe(3);
    const echo = async (): Promise<FlowRecord | undefined> =>
      (await flowsOf(url)).find(({ original }) => original.proto === 'icmp');
    await expect
      .poll(async () => (await echo())?.packets, { timeout: 10_000 })
      .toEqual({ original: '3', reply: '3' });
  });

  it('detaches what was kept when flows are not counted any more', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hs-restart-'));
    const file = join(folder, 'more');
    writeFileSync(file, '');
    try {
      const more = ['sh', '-c', `exec "$@" $(cat ${file})`, 'sh'];
      manager = new StandInManager('filter', [...more, ...SERVE]);
      await manager.start();
      expect(await manager.names()).toHaveLength(8);
      await manager.end('SIGTERM');
      writeFileSync(file, '--filter icmp');
      await manager.start();
      await expect.poll(async () => (await manager?.names())?.length, { timeout: 10_000 }).toBe(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
