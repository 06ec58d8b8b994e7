import type { FlowRow } from 'hopscope-protocol';
import {
  complete,
  FILTER_FIELDS,
  fieldTerm,
  fieldValues,
  hasTerm,
  matchesFilter,
  parseFilter,
  remedies,
  toggleTerm,
} from 'hopscope-protocol';
import { describe, expect, test } from 'vitest';
import { flowRow } from '../../src/serve/flow-row.js';
import { droppedFlow, serviceFlow } from '../serve/fixture-feed.js';

const flow = serviceFlow('a', 3);
const ROW: FlowRow = {
  ...flowRow({
    ...flow,
    src: { ...flow.src, name: 'client-1', kind: 'pod', namespace: 'shop', labels: { app: 'shop' } },
    dst: { ...flow.dst, name: 'web-1', kind: 'pod', namespace: 'web', workload: 'Deployment/web' },
    service: 'web/front',
  }),
  snat: { address: '10.244.153.192', port: 4123 },
  packetsPerSecond: 12,
  bytesPerSecond: null,
  p50: 80_000,
  p99: 2_000_000,
  bytes: '1500000',
};
const NOW = Number(ROW.start) + 20e9;

function matches(text: string, row: FlowRow = ROW): boolean {
  const filter = parseFilter(text);
  expect(filter.problems).toEqual([]);
  return matchesFilter(row, filter, NOW);
}

describe('a row', () => {
  test.each([
    ...['', 'front', 'FRONT', 'src:CLIENT-1', 'src:client-*', 'src:*-1', 'src:10.244.153.*'],
    ...['dst:10.107.161.255:8080', 'to:10.244.146.205', 'src:10.244.153.192', 'port:4123'],
    ...['proto:udp proto:tcp', 'proto:udp OR verdict:delivered', '-proto:udp', 'NOT proto:udp'],
    ...['encap:vxlan', 'is:tunnelled', 'is:live', 'is:translated', '-is:ended', 'service:front'],
    ...['service:web/front', 'svc:front', 'svc:web/front', 'pod:web-1', 'ns:shop', 'ns:web'],
    ...['ns:nowhere ns:shop', 'workload:Deployment/web', 'workload:web', 'label:app=shop'],
    ...[
      'label:app=*',
      '10.244.0.0/16',
      'src:10.244.153.0/24',
      'dst:10.0.0.0/8',
      'to:10.244.146.0/24',
    ],
    ...['p99>1ms', 'p99:1ms..5ms', 'p50<100us', 'bytes>1MB', 'age<30s', 'age:10s..1m', 'pps>10'],
    ...['overhead>=50', 'port:4000..5000', 'port>1024', '(proto:udp OR p99>1ms) src:client-1'],
  ])('%s finds it', (text) => expect(matches(text)).toBe(true));

  test.each([
    ...['apache', 'src:client', 'proto:tcp verdict:dropped', 'front apache', '-front', 'is:ended'],
    ...['pod:web', 'ns:front', 'svc:shop/front', 'workload:ReplicaSet/web', 'label:app=web'],
    ...['192.168.0.0/16', 'src:10.244.154.0/24', 'src:fd00::/8', 'p99>2ms', 'p99<2ms', 'bytes<1MB'],
    ...['age>30s', 'bps>0', 'bps<1GB', 'port:5000..6000', 'NOT (proto:udp OR p99>1ms)'],
  ])('%s does not', (text) => expect(matches(text)).toBe(false));

  test('is found by what the table prints of it', () => {
    const plain = flowRow(serviceFlow('b', 1));
    expect(plain.service).toBe('default/nginx-service');
    for (const text of ['service:nginx-service', 'dst:nginx-service', 'nginx-service']) {
      expect(matches(text, plain)).toBe(true);
    }
  });

  test('without encapsulation has none, with drops is dropped', () => {
    const row = flowRow(droppedFlow('d', 1));
    expect(fieldValues(row, 'encap')).toEqual(['none']);
    expect(matches('is:dropped drops>0', row)).toBe(true);
    expect(matches('is:ended', { ...row, ended: true })).toBe(true);
  });
});

describe('conditions that are clicked', () => {
  test('are added, taken out, and turned round', () => {
    const term = fieldTerm('proto', 'tcp');
    const once = toggleTerm('pod1', term);
    expect(once).toBe('pod1 proto:tcp');
    expect(hasTerm(parseFilter(once), fieldTerm('proto', 'TCP'))).toBe(true);
    expect(toggleTerm(once, term)).toBe('pod1');
    expect(toggleTerm(once, { ...term, negate: true })).toBe('pod1 -proto:tcp');
    expect(toggleTerm('pod1 -proto:tcp', term)).toBe('pod1 proto:tcp');
  });

  test('leave what else is written as it is', () => {
    expect(toggleTerm('a OR b', fieldTerm('src', 'two words'))).toBe('(a OR b) src:"two words"');
    expect(toggleTerm('p99>1ms proto:tcp -x', fieldTerm('proto', 'tcp'))).toBe('p99>1ms -x');
  });
});

test('a filter that leaves nothing says what to leave out', () => {
  const rows = [flowRow(serviceFlow('a', 1)), flowRow(droppedFlow('b', 1))];
  const filter = parseFilter('verdict:dropped service:nginx-service');
  expect(remedies(filter, rows, NOW)).toMatchObject([
    { leaveOut: 'verdict:dropped', text: 'service:nginx-service', rows: 1 },
    { leaveOut: 'service:nginx-service', text: 'verdict:dropped', rows: 1 },
  ]);
  expect(remedies(parseFilter('apache nowhere'), rows, NOW)).toEqual([]);
});

describe('completion', () => {
  const rows = [ROW, { ...ROW, id: 'c' }, flowRow(droppedFlow('b', 1))];

  test('offers fields, then their values with counts', () => {
    expect(complete('verd', 4, rows)).toMatchObject({
      at: 0,
      end: 4,
      offers: [{ text: 'verdict:' }],
    });
    expect(complete('x p9', 4, rows)).toMatchObject({ at: 2, offers: [{ text: 'p99>' }] });
    expect(complete('', 0, rows).offers.length).toBeGreaterThan(5);
    const verdicts = complete('x -verdict:d', 12, rows);
    expect(verdicts.at).toBe(3);
    expect(verdicts.offers).toMatchObject([
      { text: 'verdict:delivered', count: 2 },
      { text: 'verdict:dropped', count: 1 },
      { text: 'verdict:forwarded', count: 0 },
    ]);
    expect(complete('src:cli', 7, rows).offers).toMatchObject([{ text: 'src:client-1', count: 2 }]);
    expect(complete('src:clinet-1', 12, rows).offers).toMatchObject([
      { text: 'src:client-1', help: 'did you mean' },
    ]);
  });

  test('has help for every field', () => {
    for (const field of FILTER_FIELDS) {
      const { offers } = complete(field, field.length, []);
      expect(offers.some(({ text, help }) => text.startsWith(field) && help !== '')).toBe(true);
    }
  });
});
