import { expect, test } from 'vitest';
import { byLabel, counted, parseMetrics, total } from './metrics.mjs';

const PAGE = `# HELP a_total x
# TYPE a_total counter
a_total_more 3
a_total 12
b_total{cause="ring",program="x"} 4
b_total{cause="ring",program="y"} 1.5e1
b_total{cause="a \\"quoted\\" one"} 1 1795209669857
nonsense
`;

test('a counter by its whole name, over all labels', () => {
  const metrics = parseMetrics(PAGE);
  expect(total(metrics, 'a_total')).toBe(12);
  expect(total(metrics, 'b_total')).toBe(20);
  expect(total(metrics, 'a')).toBeNull();
});

test('a counter by one of its labels', () => {
  const metrics = parseMetrics(PAGE);
  expect(byLabel(metrics, 'b_total', 'cause')).toEqual({ ring: 19, 'a "quoted" one': 1 });
  expect(byLabel(metrics, 'a_total', 'cause')).toEqual({});
});

test('what a load cost is what the counters grew by; what is not counted is not known', () => {
  const before = parseMetrics('hopscope_events_total 5\nhopscope_lost_total{cause="ring"} 2\n');
  const after = parseMetrics(
    'hopscope_events_total 9\nhopscope_lost_total{cause="ring"} 2\nhopscope_lost_total{cause="late"} 7\n',
  );
  expect(counted(before, after)).toEqual({
    events: 4,
    lost: null,
    lostByCause: { late: 7 },
    records: null,
    recordBytes: null,
  });
});
