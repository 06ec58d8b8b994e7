import { setTimeout as delay } from 'node:timers/promises';
import { probe } from 'ebpf-ts';
import type { PathRecord } from 'hopscope-protocol';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { runCommand, runIn } from '../../src/lab/run-command.js';
import { Pipeline } from '../../src/pipeline.js';
import { HookSurvey } from '../../src/source/hook-survey.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import { readNamespace } from '../../src/source/namespace-number.js';
import { makePair, removePair } from './namespaces.js';
import { SURVEY_OBJECT, TRACER_OBJECT } from './tracer-object.js';

const LEFT = { netns: 'hs-demand-left', address: '192.0.2.1' };
const RIGHT = { netns: 'hs-demand-right', address: '192.0.2.2' };
/** Within this time a rule must be known, and that it is gone. */
const LIMIT_MS = 1000;
const { available, reason } = probe().netfilterLink;

let source: KernelSource;
let pipeline: Pipeline;
let paths: PathRecord[] = [];

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await removePair(LEFT, RIGHT);
  await makePair(LEFT, RIGHT);
});
afterAll(() => removePair(LEFT, RIGHT));

beforeEach(async () => {
  source = new KernelSource({ objectFile: TRACER_OBJECT, netns: [LEFT.netns, RIGHT.netns] });
  paths = [];
  pipeline = new Pipeline(source, {
    namespaceFiltered: true,
    onPath: (finished) => paths.push(pipeline.pathRecord(finished)),
  });
  await pipeline.start();
});
afterEach(() => pipeline.stop());

/** What the hooks on the right saw of an echo request. */
async function hooks(): Promise<string[]> {
  paths = [];
  await runIn(LEFT.netns, 'ping', ['-n', '-c', '1', '-W', '1', RIGHT.address]).catch(() => '');
  await delay(300);
  const request = paths.find(({ hops }) => hops[0]?.tuple?.icmp?.type === 8);
  return (request?.hops ?? [])
    .filter(({ netns, stage }) => netns === RIGHT.netns && stage === 'netfilter')
    .map(({ hook, priority }) => `${hook} ${priority}`);
}

const NOTHING = ['input 101'];
const chain = 'add table ip t; add chain ip t c { type filter hook prerouting priority -300; }';

it.skipIf(!available).each<[string, string[], string[], string[]]>([
  [
    'iptables (nft)',
    ['iptables-nft', '-t', 'raw', '-A', 'PREROUTING', '-j', 'ACCEPT'],
    ['nft', 'delete', 'table', 'ip', 'raw'],
    ['prerouting -301', 'prerouting -99'],
  ],
  ['nft', ['nft', chain], ['nft', 'delete table ip t'], ['prerouting -301', 'prerouting -99']],
  [
    'NAT by nft',
    ['nft', 'add table ip t; add chain ip t c { type nat hook prerouting priority -100; }'],
    ['nft', 'delete table ip t'],
    // NAT registers at all its hooks at once, source NAT of INPUT too.
    ['prerouting -101', 'prerouting -99', 'input 1'],
  ],
  [
    'connection tracking',
    ['nft', `${chain}; add rule ip t c ct state new accept`],
    ['nft', 'delete table ip t'],
    ['prerouting -301', 'prerouting -99'],
  ],
])(
  `a rule of %s is noticed within a second, and that it is gone${available ? '' : ` (${reason})`}`,
  async (_, add, del, seen) => {
    expect(await hooks()).toEqual(NOTHING);
    await runIn(RIGHT.netns, add[0] ?? '', add.slice(1));
    try {
      await delay(LIMIT_MS - 500);
      expect(await hooks()).toEqual([...seen, ...NOTHING]);
    } finally {
      await runIn(RIGHT.netns, del[0] ?? '', del.slice(1));
    }
    await delay(LIMIT_MS - 500);
    expect(await hooks()).toEqual(NOTHING);
  },
);

it.skipIf(!available)('a table of iptables-legacy too, and a drop names it', async () => {
  await runIn(RIGHT.netns, 'iptables-legacy', [
    ...['-t', 'mangle', '-A', 'INPUT', '-p', 'icmp', '-j', 'DROP'],
  ]);
  await delay(LIMIT_MS - 500);
  // The back end registers its table at all hooks.
  expect(await hooks()).toEqual(['prerouting -151', 'prerouting -99', 'input -151']);
  const dropped = paths.find(({ verdict }) => verdict === 'dropped');
  expect(dropped?.drop).toMatchObject({ hook: 'input', table: 'mangle' });
  await runIn(RIGHT.netns, 'iptables-legacy', ['-t', 'mangle', '-F']);
});

it.skipIf(!available)(
  'the survey reports what nft registers, in its order, and nothing of observers',
  async () => {
    const netns = 'hs-demand-survey';
    await runCommand('ip', ['netns', 'add', netns]);
    const survey = await HookSurvey.open(SURVEY_OBJECT);
    try {
      const number = readNamespace(`/run/netns/${netns}`).netns;
      expect(survey.run()?.get(number)).toBeUndefined();
      const chains = Array.from(
        { length: 17 },
        (_, i) => `add chain inet t c${i} { type filter hook forward priority ${7 - i}; }`,
      );
      const commands = [
        'add table inet t',
        'add chain inet t o { type route hook output priority mangle; }',
        'add chain inet t p { type filter hook output priority mangle; }',
      ];
      const table = (n: number): string => [...commands, ...chains.slice(0, n)].join('; ');
      await runIn(netns, 'nft', [table(16)]);
      const sixteen = Array.from({ length: 16 }, (_, i) => i - 8);
      const found = survey.run()?.get(number);
      expect(found?.ipv4).toEqual({ forward: sixteen, output: [-150] });
      expect(found?.ipv6).toEqual(found?.ipv4);
      // One more than is noted.
      await runIn(netns, 'nft', [table(17)]);
      expect(survey.run()?.get(number)?.ipv4).toEqual({ forward: 'unknown', output: [-150] });
    } finally {
      survey.close();
      await runCommand('ip', ['netns', 'del', netns]);
    }
  },
);
