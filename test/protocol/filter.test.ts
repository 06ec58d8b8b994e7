import {
  type FilterTerm,
  type FlowRow,
  fieldValues,
  flowTags,
  matchesFilter,
  parseFilter,
  TAGS_LIMIT,
} from 'hopscope-protocol';
import { describe, expect, test } from 'vitest';
import { flowRow } from '../../src/serve/flow-row.js';
import { droppedFlow, serviceFlow } from '../serve/fixture-feed.js';

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

describe('what is known of both ends', () => {
  const flow = serviceFlow('t', 3);
  const row = flowRow({
    ...flow,
    src: {
      ...flow.src,
      name: 'client-1',
      kind: 'pod',
      namespace: 'shop',
      labels: { app: 'client' },
    },
    dst: { ...flow.dst, name: 'web-1', kind: 'pod', namespace: 'web', workload: 'Deployment/web' },
    service: 'web/front',
  });

  test.each([
    ...['pod:client-1', 'pod:web-1', 'ns:shop', 'ns:web', 'svc:web/front', 'svc:front'],
    ...['workload:Deployment/web', 'workload:web', 'label:app=client', 'label:app=*', 'shop'],
    ...['-label:app=web', 'ns:nowhere ns:shop'],
  ])('%s finds it', (text) => {
    expect(matchesFilter(row, parseFilter(text))).toBe(true);
  });

  test.each(['pod:web', 'ns:front', 'svc:shop/front', 'workload:ReplicaSet/web', 'label:app=web'])(
    '%s does not',
    (text) => expect(matchesFilter(row, parseFilter(text))).toBe(false),
  );

  test('is bounded', () => {
    const labels = Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`l${i}`, 'x']));
    expect(flowTags([{ name: 'a', kind: 'pod', node: null, labels }], 'a/b')).toHaveLength(
      TAGS_LIMIT,
    );
  });
});
