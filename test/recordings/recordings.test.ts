import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { FlowRecord, PathRecord } from 'hopscope-protocol';
import { describe, expect, it, test } from 'vitest';
import { hopscope } from '../cli/command-line.js';
import { flowFaults, pathFaults } from '../fixtures/contract.js';
import { sightingsIn, sightingsOf } from './sightings.js';

const SCENARIOS = ['S2', 'S6', 'S10', 'S12', 'S13', 'S19'] as const;
type Scenario = (typeof SCENARIOS)[number];

const POD1 = '10.244.153.204';
const POD3 = '10.244.146.205';

function placeOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

/** What a replay said on the machine that the recording was made on. */
function lines(scenario: Scenario, kind: 'flows' | 'paths'): string[] {
  const text = gunzipSync(readFileSync(placeOf(`${scenario}.${kind}.jsonl.gz`))).toString('utf8');
  return text.trimEnd().split('\n');
}

function flows(scenario: Scenario): FlowRecord[] {
  return lines(scenario, 'flows').map((line) => JSON.parse(line) as FlowRecord);
}

function paths(scenario: Scenario): PathRecord[] {
  return lines(scenario, 'paths').map((line) => JSON.parse(line) as PathRecord);
}

const REPLAY_LIMIT_MS = 60_000;
/** Of the shortest scenario: there and back over ten devices, more than once. */
const SIGHTINGS_LEAST = 40;

it.each(SCENARIOS)(
  '%s has each packet on each device as tcpdump saw it, and no other',
  (scenario) => {
    const text = gunzipSync(readFileSync(placeOf(`${scenario}.tcpdump.gz`))).toString('utf8');
    const seen = sightingsOf(text);
    expect(seen.length).toBeGreaterThanOrEqual(SIGHTINGS_LEAST);
    expect(sightingsIn(paths(scenario))).toEqual(seen);
  },
);

describe.each(SCENARIOS)('%s, recorded on Debian', (scenario) => {
  it('is said the same of on this machine', { timeout: REPLAY_LIMIT_MS }, async () => {
    const file = placeOf(`${scenario}.hops.gz`);
    const [flow, path] = await Promise.all([
      hopscope('replay', file, '--json'),
      hopscope('replay', file, '--paths', '--json'),
    ]);
    expect([flow.status, path.status]).toEqual([0, 0]);
    expect(flow.out.trimEnd().split('\n')).toEqual(lines(scenario, 'flows'));
    expect(path.out.trimEnd().split('\n')).toEqual(lines(scenario, 'paths'));
  });

  it('has records as they are promised, and none that is cut off', () => {
    for (const line of lines(scenario, 'flows')) expect(flowFaults(line)).toEqual([]);
    for (const line of lines(scenario, 'paths')) expect(pathFaults(line)).toEqual([]);
    for (const { lost } of flows(scenario)) expect(lost).toBe('0');
    for (const { id, complete } of paths(scenario)) expect(complete, id).toBe(true);
  });
});

const IPIP = [
  { type: 'ipip', src: '192.168.100.111', dst: '192.168.100.112', overhead: 20 },
  { type: 'ipip', src: '192.168.100.112', dst: '192.168.100.111', overhead: 20 },
];
const NODE_PORT = { src: '172.20.151.77', sport: 42010, dst: '172.18.22.111', dport: 30083 };
const TO_SERVICE = { src: POD1, dst: '10.107.161.3', dport: 8080 };
const DNAT = { dst: POD3, dport: 80 };

test.each<[Scenario, object]>([
  ['S2', { original: { proto: 'icmp', src: POD1, dst: POD3 }, nat: { dnat: null, snat: null } }],
  ['S6', { original: TO_SERVICE, nat: { dnat: DNAT, snat: null }, service: 'default/nginx-pod3' }],
  ['S10', { original: NODE_PORT, nat: { dnat: DNAT, snat: { src: '10.244.153.192' } } }],
  ['S13', { original: TO_SERVICE, nat: { dnat: DNAT, snat: null }, service: 'default/nginx-pod3' }],
])('%s is one flow through the tunnel, there and back', (scenario, expected) => {
  const [flow, ...more] = flows(scenario);
  expect(more).toEqual([]);
  expect(flow).toMatchObject({ ...expected, verdict: 'delivered', encapsulation: IPIP });
});

test('S12: the policy lets one pod pass and drops the other, four tries in one flow', () => {
  const verdicts = flows('S12').map(({ src, verdict, drops }) => [src.name, verdict, drops]);
  expect(verdicts).toEqual([
    ['pod1', 'delivered', { original: '0', reply: '0', reasons: {} }],
    ['pod2', 'dropped', { original: '4', reply: '0', reasons: { NETFILTER_DROP: '4' } }],
  ]);
  const dropped = paths('S12').filter(({ verdict }) => verdict === 'dropped');
  expect(dropped.map(({ drop }) => [drop?.hook, drop?.table])).toEqual(
    Array(4).fill(['forward', 'filter']),
  );
});

test('S13: IPVS rewrites inside INPUT, and the packet leaves without FORWARD', () => {
  const there = paths('S13').filter(({ direction }) => direction === 'original');
  for (const { hops } of there) {
    const onNode = hops.filter(({ netns, outer }) => netns === 'node111' && outer === null);
    const hooks = new Set(onNode.flatMap(({ hook }) => (hook === null ? [] : [hook])));
    expect([...hooks]).toEqual(['prerouting', 'input', 'output', 'postrouting']);
    const [first, last] = [onNode[0]?.tuple, onNode.at(-1)?.tuple];
    expect([first?.dst, last?.dst]).toEqual(['10.107.161.3', POD3]);
  }
});

test('S19: too long with DF set, the sender learns 1480; with DF clear it is fragmented', () => {
  const [notified, cut] = flows('S19');
  expect([notified?.mtu, notified?.verdict]).toEqual([
    { path: 1480, largest: 1500, verdict: 'pmtu' },
    'dropped',
  ]);
  expect(notified?.mtuEvidence?.errors).toMatchObject([
    { direction: 'original', mtu: 1480, count: '1', arrived: '1', obeyed: 'told' },
  ]);
  expect([cut?.mtu, cut?.verdict]).toEqual([
    { path: 1480, largest: 1500, verdict: 'fragments' },
    'delivered',
  ]);
});
