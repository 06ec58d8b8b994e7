import { describe, expect, test } from 'vitest';
import { flowRow } from '../../src/serve/flow-row.js';
import {
  type FilterTerm,
  type FlowRow,
  fieldValues,
  matchesFilter,
  parseServerMessage,
  pathDirection,
  type ServerMessage,
} from '../../src/serve/protocol.js';
import { droppedFlow, serviceFlow, servicePath } from './fixture-feed.js';

const ROW: FlowRow = {
  ...flowRow(serviceFlow('a', 3)),
  snat: { address: '10.244.153.192', port: 4123 },
};

function term(field: FilterTerm['field'], value: string, negate = false): FilterTerm {
  return { field, value, negate };
}

describe('a filter', () => {
  test.each<[string, boolean, FilterTerm[]]>([
    ['nothing', true, []],
    ['a word anywhere', true, [term(null, 'nginx')]],
    ['a word nowhere', false, [term(null, 'apache')]],
    ['a name, whatever its case', true, [term('src', 'POD1')]],
    ['not part of a value', false, [term('src', 'pod')]],
    ['the beginning of a value', true, [term('src', '10.244.153.*')]],
    ['an address with its port', true, [term('dst', '10.107.161.255:8080')]],
    ['where it arrives', true, [term('to', '10.244.146.205')]],
    ['the translated source', true, [term('src', '10.244.153.192')]],
    ['any port', true, [term('port', '4123')]],
    ['one of two values', true, [term('proto', 'udp'), term('proto', 'tcp')]],
    ['two fields, one wrong', false, [term('proto', 'tcp'), term('verdict', 'dropped')]],
    ['two words, one wrong', false, [term(null, 'pod1'), term(null, 'pod9')]],
    ['excluded', false, [term('proto', 'tcp'), term('service', 'default/nginx-service', true)]],
    ['excluding something else', true, [term('proto', 'udp', true)]],
    ['an encapsulation', true, [term('encap', 'vxlan')]],
  ])('%s', (_name, expected, terms) => {
    expect(matchesFilter(ROW, terms)).toBe(expected);
  });

  test('finds flows without encapsulation as none', () => {
    expect(fieldValues(flowRow(droppedFlow('d', 1)), 'encap')).toEqual(['none']);
  });
});

describe('reading what a daemon sent', () => {
  const flows: ServerMessage = {
    type: 'flows',
    reset: false,
    rows: [ROW],
    removed: ['x'],
    total: 1,
    behind: 0,
    now: '1',
  };

  test('gives back what was sent, unknown fields included', () => {
    const sent = { ...flows, rows: [{ ...ROW, colour: 'red' }], later: true };
    const parsed = parseServerMessage(JSON.stringify(sent));
    expect(parsed).toEqual({ ok: true, value: sent });
  });

  test('takes flows and paths with all their fields', () => {
    const message = {
      type: 'flow',
      id: 'a',
      flow: serviceFlow('a', 1),
      rates: null,
      chain: [ROW],
      pathIds: ['a-original-1'],
      paths: [servicePath('a', 1, 'original', 38_610)],
      now: '1',
    };
    expect(parseServerMessage(JSON.stringify(message))).toEqual({ ok: true, value: message });
  });

  test.each([
    ['rows', { rows: [{ ...ROW, packets: 7 }] }, 'flows.rows[0].packets'],
    ['a verdict', { rows: [{ ...ROW, verdict: 'lost' }] }, 'flows.rows[0].verdict'],
    ['an address', { rows: [{ ...ROW, src: null }] }, 'flows.rows[0].src'],
    ['a time', { now: 1 }, 'flows.now'],
    ['a count', { total: '1' }, 'flows.total'],
  ])('refuses %s that is not one, and says where', (_name, change, where) => {
    const parsed = parseServerMessage(JSON.stringify({ ...flows, ...change }));
    expect(parsed).toMatchObject({ ok: false, code: 'bad-field' });
    if (!parsed.ok) expect(parsed.message).toContain(where);
  });
});

test('the direction of a path is the recorded one, else that of its first hop', () => {
  const flow = serviceFlow('a', 1);
  const there = servicePath('a', 1, 'original', 38_610);
  const back = servicePath('a', 1, 'reply', 38_610);
  expect([pathDirection(flow, there), pathDirection(flow, back)]).toEqual(['original', 'reply']);
  const bare = ({ direction: _, ...path }: typeof there): typeof there => path;
  expect([pathDirection(flow, bare(there)), pathDirection(flow, bare(back))]).toEqual([
    'original',
    'reply',
  ]);
});
