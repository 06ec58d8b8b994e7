import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { FinishedPath } from '../../src/flow/finished-path.js';
import { runIn } from '../../src/lab/run-command.js';
import type { Watch } from './sampled.js';
import { FAR, makeTunnel, NEAR, PORT, removeTunnel, shapesOf, watchTunnel } from './sampled.js';
import { untilJoined } from './until-joined.js';

/*
 * Between windows packets of new flows are seen and those of busy ones are not, inside a tunnel
 * too; see bpf/new-flow.h.
 */

const PROTO_ICMP = 1;
const PROTO_TCP = 6;
const PROTO_UDP = 17;
const PROTO_ICMPV6 = 58;
/** The reply is the next; what comes after is about neighbours. */
const ECHO_REQUEST6 = 128;
const LISTEN = `
const datagrams = require('node:dgram').createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
datagrams.on('message', () => {}).bind(${PORT}, () => console.log('ready'));
require('node:dgram').createSocket({ type: 'udp6', ipv6Only: true }).on('message', () => {}).bind(${PORT});
require('node:net').createServer((socket) => {
  socket.on('data', () => socket.end('answer'));
  socket.on('error', () => {});
}).listen(${PORT});
`;
const flood = (type: 'udp4' | 'udp6', address: string): string => `
const socket = require('node:dgram').createSocket('${type}');
socket.connect(${PORT}, '${address}', function next() { socket.send('x', next); });
`;
/** Outside the tunnel. */
const ADDRESS6 = new Map([
  [NEAR.netns, '2001:db8::1'],
  [FAR.netns, '2001:db8::2'],
]);
const FAR6 = ADDRESS6.get(FAR.netns) ?? '';
const CONNECTIONS = 20;
const CLIENT = `
const net = require('node:net');
let left = ${CONNECTIONS};
const next = () => {
  if (left-- === 0) return;
  const socket = net.connect(${PORT}, '${FAR.inside}');
  socket.on('connect', () => socket.write('question'));
  socket.resume().on('close', () => setTimeout(next, 20));
};
next();
`;

const children: ChildProcess[] = [];
let watch: Watch;

function inside(netns: string, script: string): ChildProcess {
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  const command = ['netns', 'exec', netns, process.execPath, '-e', script];
  const child = spawn('ip', command, { stdio: [...stdio] });
  children.push(child);
  return child;
}

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await makeTunnel();
  for (const [netns, address] of ADDRESS6) {
    await runIn(netns, 'sysctl', ['-q', '-w', 'net.ipv6.conf.eth0.disable_ipv6=0']);
    await runIn(netns, 'ip', ['address', 'add', `${address}/64`, 'dev', 'eth0', 'nodad']);
  }
  const { stdout } = inside(FAR.netns, LISTEN);
  if (stdout !== null) await once(stdout, 'data');
});
afterEach(() => watch.pipeline.stop());
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await removeTunnel();
});

/** The flood is known before anything is left out. */
async function seeNewFlows(script = flood('udp4', FAR.inside)): Promise<ChildProcess> {
  watch = await watchTunnel({ mode: 'all' });
  const sender = inside(NEAR.netns, script);
  await delay(300);
  watch.source.see('new-flows');
  await delay(200);
  await untilJoined(watch.pipeline);
  // Those that were still under way.
  await delay(300);
  watch.finished.splice(0);
  return sender;
}

async function end(sender: ChildProcess): Promise<readonly FinishedPath[]> {
  await delay(300);
  sender.kill('SIGKILL');
  await watch.pipeline.stop();
  return watch.finished;
}

const of = (paths: readonly FinishedPath[], protocol: number): readonly FinishedPath[] =>
  paths.filter(({ path }) => path.protocol === protocol);
const whole = ({ path, verdict }: FinishedPath): boolean =>
  verdict === 'delivered' && path.cutByWindow === 0;

it('beside a flood every packet of a short connection is seen, from its first on', async () => {
  const sender = await seeNewFlows();
  await runIn(NEAR.netns, process.execPath, ['-e', CLIENT]);
  await delay(300);
  const paths = watch.finished.splice(0);
  watch.source.see('all');
  await delay(300);
  // There was a flood, some thousands of datagrams a second.
  expect(of(await end(sender), PROTO_UDP).length).toBeGreaterThan(500);
  const segments = of(paths, PROTO_TCP);
  // SYN, SYN-ACK, question, answer, both ends, and acknowledgements.
  expect(segments.length).toBeGreaterThanOrEqual(8 * CONNECTIONS);
  expect(shapesOf(segments).size).toBe(2);
  expect(segments.filter((one) => !whole(one))).toEqual([]);
  // Through the tunnel and out of it.
  const places = segments.map(({ path }) => new Set(path.hops.map(({ device }) => device.name)));
  expect(places.every((names) => names.has('vx0') && names.has('eth0'))).toBe(true);
  const datagrams = of(paths, PROTO_UDP);
  expect(datagrams.length).toBeLessThan(200);
  expect(datagrams.filter((one) => whole(one) && one.path.length < 8)).toEqual([]);
});

it('a flow with a pause between its packets is seen whole, one without is not', async () => {
  const sender = await seeNewFlows();
  const ping = (...words: string[]): Promise<string> =>
    runIn(NEAR.netns, 'ping', ['-n', '-q', ...words, FAR.inside]);
  await ping('-c', '10', '-i', '0.1');
  await delay(300);
  const seldom = of(watch.finished.splice(0), PROTO_ICMP);
  expect([...shapesOf(seldom).values()]).toEqual([10, 10]);
  expect(seldom.every(whole)).toBe(true);
  await ping('-c', '500', '-i', '0.002');
  const often = of(await end(sender), PROTO_ICMP);
  expect(often.length).toBeGreaterThan(2);
  expect(often.length).toBeLessThan(500);
  expect(often.filter(({ verdict }) => verdict === 'dropped')).toEqual([]);
});

it('a packet in fragments is seen with all of them', async () => {
  const sender = await seeNewFlows();
  await runIn(NEAR.netns, 'ping', [
    ...['-n', '-q', '-c', '5', '-i', '0.1', '-s', '4000', FAR.inside],
  ]);
  const echoes = of(await end(sender), PROTO_ICMP);
  expect(echoes.filter((one) => !whole(one)).map(({ verdict }) => verdict)).toEqual([]);
  // 1,480 bytes of the tunnel's MTU of 1,450 in each: whole ones as ping has them, and fragments.
  expect(echoes.length).toBeGreaterThanOrEqual(10 * 2);
});

it('IPv6 is no different', async () => {
  const sender = await seeNewFlows(flood('udp6', FAR6));
  await runIn(NEAR.netns, 'ping', ['-6', '-n', '-q', '-c', '5', '-i', '0.1', FAR6]);
  const paths = await end(sender);
  const echoes = of(paths, PROTO_ICMPV6).filter(({ path }) =>
    [ECHO_REQUEST6, ECHO_REQUEST6 + 1].includes(path.icmpType),
  );
  expect([...shapesOf(echoes).values()]).toEqual([5, 5]);
  expect(echoes.every(whole)).toBe(true);
  expect(of(paths, PROTO_UDP).length).toBeLessThan(200);
});
