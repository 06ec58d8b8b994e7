import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Hook } from 'hopscope-protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { Machine, type Namespace } from '../../src/network/machine.js';
import { parseAddress } from '../../src/rules/address.js';
import type { Packet } from '../../src/rules/packet.js';
import { parseRules, type RuleSet } from '../../src/rules/rule-set.js';
import { firstPacket } from '../../src/rules/simulate.js';
import { type Way, walkChains } from '../../src/rules/walk.js';
import { readMachine } from '../../src/source/machine-reader.js';
import { readRulesOf } from '../../src/source/rules-reader.js';
import { run } from '../cli/command-line.js';

/** Routes what SENDER sends. */
const ROUTER = 'hs-gen-router';
const SENDER = 'hs-gen-sender';
const ROUNDS = 24;
const PACKETS = 100;
/** Of all rounds, so that a slow machine tries fewer. */
const LIMIT_MS = 15_000;
/** The packet after which all others of a round have been traced. */
const LAST_PORT = 9;
const UDP = 17;

/** A small generator whose numbers are the same in every run (Marsaglia's xorshift). */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

type Random = ReturnType<typeof generator>;

const SOURCES = ['10.71.0.2', '10.71.0.3', '10.71.0.66', '10.71.0.130'];
const DESTINATIONS = ['10.72.0.5', '10.72.0.6', '10.72.1.5', '10.73.9.9', '10.71.0.1'];
const PORTS = [53, 80, 443, 1000, 8080, 30_000];

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random(list.length)] as T;
}

function matchOf(random: Random): string {
  const not = random(3) === 0 ? '! ' : '';
  const matches: (() => string)[] = [
    () => `${not}-s ${pick(random, ['10.71.0.0/26', '10.71.0.64/26', '10.71.0.2/32'])}`,
    () =>
      `${not}-d ${pick(random, ['10.72.0.0/16', '10.72.0.0/24', '10.72.0.5/32', '10.73.0.0/16'])}`,
    () => `${not}-i ${pick(random, ['in0', 'in+', 'out0', 'o+'])}`,
    () => `-p udp -m udp ${not}--dport ${pick(random, PORTS)}`,
    () => `-p udp -m udp ${not}--dport ${pick(random, PORTS)}:40000`,
    () => `-p udp -m udp ${not}--sport ${20_000 + random(50)}:${20_050 + random(50)}`,
    () => `-p udp -m multiport ${not}--dports 53,80,1000:9000`,
    () => `-p udp -m multiport ${not}--ports 443,30000`,
    () => `${not}-p tcp`,
    () =>
      `-m mark ${not}--mark 0x${(1 << random(4)).toString(16)}/0x${(1 << random(4)).toString(16)}`,
    () =>
      `-m conntrack ${not}--ctstate ${pick(random, ['NEW', 'ESTABLISHED', 'INVALID', 'RELATED,NEW'])}`,
    () => `-m length ${not}--length ${28 + random(40)}:${60 + random(60)}`,
    () => `-m ttl --ttl-${pick(random, ['lt', 'gt', 'eq'])} ${40 + random(30)}`,
    () =>
      `-m set ${not}--match-set ${pick(random, ['ports dst,dst', 'nets src', 'nets dst', 'hosts src'])}`,
    () => `-m iprange ${not}--dst-range 10.72.0.6-10.72.1.5`,
    () => `-m addrtype ${not}--dst-type ${pick(random, ['LOCAL', 'UNICAST', 'BROADCAST'])}`,
    () => '-m statistic --mode random --probability 0.5',
    () => `-m comment --comment "-j DROP ${random(9)}"`,
  ];
  return pick(random, matches)();
}

function targetOf(random: Random, chains: readonly string[], table: string): string {
  const mark = `0x${random(16).toString(16)}/0x${random(16).toString(16)}`;
  const targets = [
    ...['-j ACCEPT', '-j DROP', '-j RETURN', `-j MARK --set-xmark ${mark}`, ''],
    ...[`-j MARK --set-xmark ${mark}`, '-j RETURN', `-j CONNMARK --save-mark`],
    ...(table === 'filter' ? ['-j REJECT'] : ['-j CONNMARK --restore-mark']),
    ...chains.flatMap((chain) => [`-j ${chain}`, `-j ${chain}`, `-g ${chain}`]),
  ];
  return pick(random, targets);
}

/** Text for iptables-restore; a chain leads only to those after it. */
function rulesText(random: Random): string {
  const tables = Object.entries({
    mangle: ['PREROUTING', 'FORWARD'],
    filter: ['FORWARD', 'INPUT'],
  });
  return `${tables
    .flatMap(([table, hooks]) => {
      const own = ['A', 'B', 'C'].map((name) => `${table}-${name}`);
      const all = [...hooks, ...own];
      return [
        `*${table}`,
        ...hooks.map((hook) => `:${hook} ${random(6) === 0 ? 'DROP' : 'ACCEPT'}`),
        ...own.map((chain) => `:${chain} -`),
        ...all.flatMap((chain) =>
          Array.from({ length: 2 + random(5) }, () => {
            const later = own.slice(own.indexOf(chain) + 1);
            const matches = Array.from({ length: random(3) }, () => matchOf(random));
            // iptables takes an option of its own once.
            const once = [
              ...new Map(matches.map((m) => [/^(?:! )?(-[sdi]) /.exec(m)?.[1] ?? m, m])).values(),
            ];
            const asksOnce = once.filter(
              (m, i) => !(/-p /.test(m) && once.findIndex((o) => /-p /.test(o)) < i),
            );
            return `-A ${chain} ${asksOnce.join(' ')} ${targetOf(random, later, table)}`;
          }),
        ),
        'COMMIT',
      ];
    })
    .join('\n')}\n`;
}

/** Sends datagrams: argument is JSON of [source, sport, destination, dport, ttl, bytes]. */
const SEND = `
const { createSocket } = require('node:dgram');
process.stdin.setEncoding('utf8');
let rest = '';
process.stdin.on('data', async (text) => {
  const lines = (rest + text).split('\\n');
  rest = lines.pop();
  for (const line of lines) for (const [source, sport, destination, dport, ttl, bytes] of JSON.parse(line)) {
    await new Promise((resolve) => {
      const socket = createSocket('udp4');
      socket.on('error', resolve);
      socket.bind(sport, source, () => {
        socket.setTTL(ttl);
        // The monitor loses what comes too fast, and then ends.
        socket.send(Buffer.alloc(bytes), dport, destination, () => socket.close(() => setTimeout(resolve, 2)));
      });
    });
  }
});
`;

type Sent = readonly [string, number, string, number, number, number];

const monitor = { said: '', child: null as ReturnType<typeof spawn> | null };
let sender: ReturnType<typeof spawn>;

beforeAll(async () => {
  for (const name of [ROUTER, SENDER]) await run('ip', ['netns', 'add', name]);
  const commands = [
    `link add in0 netns ${ROUTER} type veth peer name eth0 netns ${SENDER}`,
    ...SOURCES.map((source) => `-n ${SENDER} addr add ${source}/24 dev eth0`),
    `-n ${SENDER} link set eth0 up`,
    `-n ${ROUTER} addr add 10.71.0.1/24 dev in0`,
    `-n ${ROUTER} link set in0 up`,
    `-n ${ROUTER} link add out0 type bridge`,
    `-n ${ROUTER} addr add 10.72.0.1/15 dev out0`,
    `-n ${ROUTER} link set out0 up`,
    `-n ${SENDER} route add default via 10.71.0.1`,
  ];
  for (const command of commands) {
    const { status, err } = await run('ip', command.split(' '));
    expect(status, `${command}: ${err}`).toBe(0);
  }
  await runIn(ROUTER, 'sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1']);
  const sets = [
    'create ports hash:ip,port family inet',
    ...['add ports 10.72.0.5,udp:53', 'add ports 10.72.0.5,udp:80', 'add ports 10.72.1.5,tcp:80'],
    'create nets hash:net family inet',
    ...['add nets 10.71.0.0/25', 'add nets 10.71.0.3 nomatch', 'add nets 10.72.1.0/24'],
    ...['create hosts hash:ip family inet', 'add hosts 10.71.0.2', 'add hosts 10.71.0.130'],
  ];
  await runIn(ROUTER, 'ipset', ['restore'], { input: `${sets.join('\n')}\n` });
  monitor.child = spawn('ip', ['netns', 'exec', ROUTER, 'xtables-monitor', '-t'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  monitor.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    monitor.said += text;
  });
  sender = spawn('ip', ['netns', 'exec', SENDER, process.execPath, '-e', SEND], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
});

afterAll(async () => {
  for (const child of [monitor.child, sender]) {
    if (child === null || child === undefined) continue;
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
  }
  for (const name of [ROUTER, SENDER]) await run('ip', ['netns', 'del', name]);
});

/** What the kernel says each packet met, by source port. */
async function traced(packets: readonly Sent[]): Promise<Map<number, string[]>> {
  monitor.said = '';
  const last: Sent = [SOURCES[0] ?? '', LAST_PORT, '10.72.0.5', LAST_PORT, 64, 1];
  const isOver = (): boolean =>
    monitor.child?.exitCode !== null ||
    (monitor.said.includes(` SPORT=${LAST_PORT} `) && /\n$/.test(monitor.said));
  sender.stdin?.write(`${JSON.stringify([...packets, last])}\n`);
  await expect.poll(isOver, { timeout: 10_000, interval: 10 }).toBe(true);
  expect(monitor.child?.exitCode, monitor.said.slice(-300)).toBeNull();
  const ports = new Map<string, number>();
  const met = new Map<number, string[]>();
  for (const line of monitor.said.split('\n')) {
    const [, id = '', sport = ''] = /^PACKET: \d+ ([0-9a-f]+) .* SPORT=(\d+) /.exec(line) ?? [];
    if (id !== '') ports.set(id, Number(sport));
    const [, of = '', table, chain, kind, verdict, rest = ''] =
      / TRACE: \d+ ([0-9a-f]+) (\S+?):(\S+?):(rule|policy):(\S+)(.*)/.exec(line) ?? [];
    const port = ports.get(of);
    // Of a chain without rules nothing is said.
    if (port === undefined || table === 'raw' || (verdict === 'ACCEPT' && kind === 'policy'))
      continue;
    const text =
      kind === 'policy' ? `${chain} policy ${verdict}` : rest.trim().replace(/^-4 -t \S+ /, '');
    met.set(port, [...(met.get(port) ?? []), `${table} ${text}`]);
  }
  return met;
}

async function understood(namespace: Namespace): Promise<RuleSet> {
  const read = await readRulesOf(namespace.description);
  const parsing = parseRules(read);
  for (;;) {
    const step = parsing.next();
    if (step.done === true) return step.value;
  }
}

/** Every way that the packet may go, as the lines of a trace. */
function evaluated(rules: RuleSet, sent: Sent): string[] {
  const [source, sport, destination, dport, ttl, bytes] = sent;
  const ends = {
    ...{ src: parseAddress(source) ?? 0, dst: parseAddress(destination) ?? 0 },
    ...{ sport, dport },
  };
  const packet = { ...firstPacket(ends, UDP, 'in0', 0), ttl, length: bytes + 28 };
  const isLocal = destination === '10.71.0.1';
  return waysIn(rules, 'prerouting', packet).flatMap((way) => {
    if (way.isDropped) return [linesOf(way)];
    const after = {
      ...{ ...way.packet, mark: way.mark, connectionMark: way.ctMark },
      ...{ outgoing: isLocal ? '' : 'out0', ttl: isLocal ? ttl : ttl - 1 },
    };
    const ways = waysIn(rules, isLocal ? 'input' : 'forward', after);
    return ways.map((next) => [linesOf(way), linesOf(next)].filter(Boolean).join('\n'));
  });
}

function waysIn(rules: RuleSet, hook: Hook, packet: Packet): readonly Way[] {
  const { ways, cut } = walkChains(rules.registered(4, hook), packet, rules.around);
  expect(cut).toBeNull();
  return ways;
}

function linesOf({ met }: Way): string {
  return met
    .filter(({ table, verdict }) => table.name !== 'raw' && verdict !== 'policy ACCEPT')
    .map(
      ({ table, chain, rule, verdict }) =>
        `${table.name} ${rule?.text ?? `${chain.name} ${verdict}`}`,
    )
    .join('\n');
}

it('random rules and packets: the kernel met the rules that were expected', async () => {
  const random = generator(Number(process.env.HOPSCOPE_SEED ?? 0x5eed));
  const trace = '*raw\n:PREROUTING ACCEPT\n-A PREROUTING -j TRACE\nCOMMIT\n';
  const namespace = new Machine(await readMachine([ROUTER])).namespaces[0] as Namespace;
  const began = performance.now();
  let pairs = 0;
  for (let round = 0; round < ROUNDS && performance.now() - began < LIMIT_MS; round++) {
    const input = rulesText(random);
    await runIn(ROUTER, 'iptables-nft-restore', [], { input: trace + input });
    await runIn(ROUTER, 'conntrack', ['-F']);
    const packets = Array.from(
      { length: PACKETS },
      (_, i): Sent => [
        ...([pick(random, SOURCES), 20_000 + i, pick(random, DESTINATIONS)] as const),
        ...([pick(random, PORTS), 40 + random(30), random(80)] as const),
      ],
    );
    const met = await traced(packets);
    const rules = await understood(namespace);
    expect(rules.problems).toEqual([]);
    for (const packet of packets) {
      const kernel = (met.get(packet[1]) ?? []).join('\n');
      if (kernel === '') continue;
      const expected = evaluated(rules, packet);
      if (!expected.includes(kernel)) {
        expect.fail(
          `round ${round}, packet ${packet.join(' ')}:\nkernel\n${kernel}\nevaluator\n${expected.join('\nor\n')}\nrules\n${input}`,
        );
      }
      pairs += 1;
    }
  }
  expect(pairs).toBeGreaterThan(500);
}, 60_000);
