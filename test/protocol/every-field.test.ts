import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  type FlowRecord,
  type MtuReport,
  PATHS_PER_MESSAGE,
  type PathRecord,
  parseClientMessage,
  parseMtuReport,
  parseServerMessage,
  type ServerMessage,
} from 'hopscope-protocol';
import { describe, expect, test } from 'vitest';
import { flowRow } from '../../src/serve/flow-row.js';
import { FixtureFeed, serviceFlow } from '../serve/fixture-feed.js';

const RECORDINGS = join(import.meta.dirname, '..', 'recordings');

function recorded<T>(ending: string): T[] {
  return readdirSync(RECORDINGS)
    .filter((file) => file.endsWith(ending))
    .flatMap((file) =>
      gunzipSync(readFileSync(join(RECORDINGS, file)))
        .toString()
        .trim()
        .split('\n'),
    )
    .map((line) => JSON.parse(line) as T);
}

const flows = recorded<FlowRecord>('.flows.jsonl.gz');
const paths = recorded<PathRecord>('.paths.jsonl.gz');
const row = { ...flowRow(serviceFlow('a', 3)), tags: ['pod:web-1'] };
const rate = { packetsPerSecond: 1.5, bytesPerSecond: null };

function flowMessage(flow: FlowRecord, some: readonly PathRecord[]): ServerMessage {
  const pathIds = some.map(({ id }) => id);
  const rates = { original: rate, reply: rate };
  return { type: 'flow', id: flow.id, flow, rates, chain: [row], pathIds, paths: some, now: '1' };
}

type Place = readonly (string | number)[];

/** The places of all members and entries, however deep. */
function* placesIn(value: unknown, at: Place = []): Generator<Place> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    const place = [...at, Array.isArray(value) ? Number(key) : key];
    yield place;
    yield* placesIn(inner, place);
  }
}

function withValue(message: unknown, place: Place, wrong: unknown): string {
  const copy = JSON.parse(JSON.stringify(message));
  const holder = place.slice(0, -1).reduce((inner, key) => (inner as never)[key], copy) as never;
  (holder as Record<string | number, unknown>)[place.at(-1) as string] = wrong;
  return JSON.stringify(copy);
}

function written(type: string, place: Place): string {
  return place.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}.${key}`),
    type,
  );
}

/** No field is one of these. */
const WRONG = [[[]], { very: { wrong: true } }];

/** Places where something wrong is taken, or reported at another place. */
function unchecked(
  message: { readonly type: string },
  parse: (text: string) => { readonly ok: boolean; readonly message?: string },
): string[] {
  expect(parse(JSON.stringify(message))).toMatchObject({ ok: true });
  const found = new Set<string>();
  for (const place of placesIn(message)) {
    if (place[0] === 'type') continue;
    const where = written(message.type, place);
    for (const wrong of WRONG) {
      const parsed = parse(withValue(message, place, wrong));
      if (parsed.ok || parsed.message?.includes(where) !== true) found.add(where);
    }
  }
  return [...found];
}

describe('every field of a message is checked', () => {
  const quality = { ...new FixtureFeed().quality(), losses: { 'ring-full-hops': '1' } };
  const messages: ServerMessage[] = [
    { type: 'flows', reset: true, rows: [row], removed: ['x'], total: 1, behind: 0, now: '1' },
    { type: 'quality', quality, clients: 1 },
    { type: 'error', code: 'a-code', message: 'a text' },
    {
      type: 'hello',
      protocol: 1,
      version: '1',
      run: 'r',
      node: 'n',
      kernel: '6',
      mode: 'demo',
      description: 'd',
      missing: ['m'],
    },
  ];

  test.each(messages)('$type', (message) => {
    expect(unchecked(message, parseServerMessage)).toEqual([]);
  });

  test('flow, with flows and paths of kernels', { timeout: 60_000 }, () => {
    // One flow and one path of each kind: those with other members than all before.
    const chosen = <T>(records: readonly T[]): T[] => {
      const known = new Set<string>();
      return records.filter((record) => {
        const members = [...placesIn(record)].map((place) =>
          place.filter((key) => typeof key === 'string').join('.'),
        );
        const isNew = members.some((member) => !known.has(member));
        for (const member of members) known.add(member);
        return isNew;
      });
    };
    const some = chosen(paths).slice(0, PATHS_PER_MESSAGE);
    for (const flow of chosen(flows)) {
      expect(unchecked(flowMessage(flow, []), parseServerMessage)).toEqual([]);
    }
    for (const path of some) {
      const message = flowMessage(flows[0] as FlowRecord, [{ ...path, hops: chosen(path.hops) }]);
      expect(unchecked(message, parseServerMessage)).toEqual([]);
    }
  });

  test('mtu, what is answered to /api/mtu', () => {
    const limit = { netns: 'pod1', dev: 'eth0', kind: 'veth', by: 'device', room: 1_480 } as const;
    const alternative = { what: 'ipip', wire: '1', saved: '-1', percent: -1.5 } as const;
    const report: MtuReport = {
      type: 'mtu',
      faults: [
        {
          ...{ type: 'fault', id: 'blackhole', severity: 'error', netns: 'pod1', dev: 'eth0' },
          ...{ peer: { netns: 'node1', dev: 'tunl0' }, found: { mtu: 1_500 } },
          ...{ expected: { mtu: 1_480 }, because: 'b', evidence: ['seen'], flows: 1 },
          ...{ flowIds: ['a'], remedy: 'ip link' },
        },
      ],
      costs: [
        {
          ...{ type: 'cost', by: 'nodes', encapsulation: 'ipip+20', nodes: ['a', 'b'], flow: 'x' },
          ...{ flows: 1, packets: '1', payload: '1', wire: '2', ratio: 2, overhead: '1' },
          alternatives: [alternative],
        },
      ],
      ways: [
        {
          ...{ type: 'way', netns: 'pod1', dev: 'eth0', route: 'default', towards: '10.0.0.1' },
          ...{ mtu: 1_480, sent: 1_500, end: 'delivered' },
          ...{ setBy: { ...limit, tunnels: ['tunl0'] }, hops: [{ ...limit, tunnels: [] }] },
        },
      ],
      ...{ isAudited: true, flows: 1, leftOut: 0 },
    };
    expect(unchecked(report, parseMtuReport)).toEqual([]);
  });

  test.each([
    { type: 'subscribe', id: 'a' },
    { type: 'unsubscribe', id: 'a' },
    { type: 'filter', text: 'src:x' },
    { type: 'pause', paused: true },
  ])('$type', (message) => {
    expect(unchecked(message, parseClientMessage)).toEqual([]);
  });
});

test('every flow and path of the recordings is taken as it is', () => {
  expect(flows.length).toBeGreaterThan(5);
  expect(paths.length).toBeGreaterThan(50);
  for (const flow of flows) {
    const message = flowMessage(flow, paths.slice(0, 1));
    expect(parseServerMessage(JSON.stringify(message))).toEqual({ ok: true, value: message });
  }
  for (let at = 0; at < paths.length; at += PATHS_PER_MESSAGE) {
    const message = flowMessage(flows[0] as FlowRecord, paths.slice(at, at + PATHS_PER_MESSAGE));
    expect(parseServerMessage(JSON.stringify(message))).toEqual({ ok: true, value: message });
  }
});
