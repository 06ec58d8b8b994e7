import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { PathRecord } from 'hopscope-protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { Pipeline } from '../../src/pipeline.js';
import type { ToExplain } from '../../src/pipeline-rules.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import { run } from '../cli/command-line.js';
import { TRACER_OBJECT } from './tracer-object.js';

const SENDER = 'hs-chg-sender';
const TAKER = 'hs-chg-taker';
const PORT = 4_242;
/** How long each generation of rules lasts, ms: shorter and longer than hopscope needs to see it. */
const LASTS = [20, 900, 60, 5, 1_200, 300, 10, 1_500, 150, 700, 30, 1_000];

const LONG_MS = 700;

/** A datagram every other millisecond, without an end. */
const SEND = `
const socket = require('node:dgram').createSocket('udp4');
setInterval(() => socket.send('x', ${PORT}, '10.74.0.2', () => undefined), 2);
`;

beforeAll(async () => {
  for (const name of [SENDER, TAKER]) await run('ip', ['netns', 'add', name]);
  const commands = [
    `link add eth0 netns ${SENDER} type veth peer name eth0 netns ${TAKER}`,
    `-n ${SENDER} addr add 10.74.0.1/24 dev eth0`,
    `-n ${TAKER} addr add 10.74.0.2/24 dev eth0`,
    ...[SENDER, TAKER].map((name) => `-n ${name} link set eth0 up`),
  ];
  for (const command of commands) {
    const { status, err } = await run('ip', command.split(' '));
    expect(status, `${command}: ${err}`).toBe(0);
  }
});
afterAll(async () => {
  for (const name of [SENDER, TAKER]) await run('ip', ['netns', 'del', name]);
});

/**
 * In one transaction: the rule that drops, with its number in its comment, and in the packet's mark, which says
 * by which one the kernel dropped it.
 */
async function change(generation: number): Promise<void> {
  const chain = '{ type filter hook input priority 0; policy accept; }';
  await runIn(TAKER, 'nft', ['-f', '-'], {
    input: [
      `add table ip changing`,
      `add chain ip changing input ${chain}`,
      `flush chain ip changing input`,
      `add rule ip changing input udp dport ${PORT} meta mark set ${generation}`,
      `add rule ip changing input udp dport ${PORT} counter drop comment "generation ${generation}"`,
      '',
    ].join('\n'),
  });
}

/** The generation that dropped it, and the one that is named; null where none is. */
function judged({ drop, hops }: PathRecord): { kernel: number; named: number | null } {
  const kernel = Number(hops.at(-1)?.mark ?? 0);
  const rules = hops.flatMap(({ rules: met }) => met ?? []);
  const named = [
    ...[drop?.rule ?? ''],
    ...rules.flatMap(({ rule, certainty, source }) =>
      certainty === 'unknown' ? [] : [rule ?? '', source?.text ?? ''],
    ),
  ].flatMap((text) => /generation (\d+)/.exec(text)?.[1] ?? []);
  expect(new Set(named).size, JSON.stringify(rules)).toBeLessThan(2);
  return { kernel, named: named[0] === undefined ? null : Number(named[0]) };
}

it('rules that change under traffic: never the name of another rule', async () => {
  await change(1);
  const source = new KernelSource({
    ...{ objectFile: TRACER_OBJECT, netns: [SENDER, TAKER], rules: true },
  });
  const paths: ToExplain[] = [];
  const pipeline: Pipeline = new Pipeline(source, {
    onPath: (finished) => paths.push(pipeline.toExplain(finished)),
  });
  await pipeline.start();
  const sender = spawn('ip', ['netns', 'exec', SENDER, process.execPath, '-e', SEND], {
    stdio: 'ignore',
  });
  try {
    await delay(1_000);
    for (const [index, ms] of LASTS.entries()) {
      await change(index + 2);
      // However slow the machine is: these are read, and known to have been in force to their end.
      if (ms >= LONG_MS) await source.lookAtRules();
      await delay(ms);
      if (ms >= LONG_MS) await source.lookAtRules();
    }
  } finally {
    sender.kill();
    if (sender.exitCode === null && sender.signalCode === null) await once(sender, 'close');
    await source.lookAtRules();
    await pipeline.stop();
  }
  await pipeline.ruleReading.settled();
  const dropped = paths
    .map((path) => pipeline.ruleReading.explained(path))
    .filter((path) => path.drop?.reason === 'NETFILTER_DROP' && path.hops.at(-1)?.mark !== '0x0')
    .map(judged);
  const wrong = dropped.filter(({ kernel, named }) => named !== null && named !== kernel);
  expect(wrong).toEqual([]);
  // Most generations last long enough to be known, others are too short for it.
  const known = new Set(dropped.flatMap(({ named }) => (named === null ? [] : [named])));
  expect(known.size).toBeGreaterThan(2);
  expect(dropped.some(({ named }) => named === null)).toBe(true);
  expect(pipeline.ruleReading.counters.changed).toBeGreaterThan(0);
}, 60_000);
