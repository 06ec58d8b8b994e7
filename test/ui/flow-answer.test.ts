import type { FlowRecord, PathRecord } from 'hopscope-protocol';
import { describe, expect, test } from 'vitest';
import { answerOf, dropPlace } from '../../ui/src/flow/answer.js';
import {
  byDirection,
  directionThatMatters,
  packetThatMatters,
  slowest,
} from '../../ui/src/flow/packet-choice.js';
import { answerWords, followedWords, mtuMeaning } from '../../ui/src/flow/seen-words.js';
import { droppedFlow, droppedPath, serviceFlow, servicePath } from '../serve/fixture-feed.js';

const service = serviceFlow('a', 4);
const paths = [0, 1, 2, 3].flatMap((n) => [
  servicePath('a', n, 'original', 38_610),
  servicePath('a', n, 'reply', 38_610),
]);
const dropped = droppedFlow('b', 3);

function took({ hops }: PathRecord): number {
  return hops.reduce((sum, { sincePrevNs }) => sum + (sincePrevNs ?? 0), 0);
}

describe('the sentence on top', () => {
  test('of a drop: where, by what, why, and how many', () => {
    const both = byDirection(dropped, [droppedPath('b', 0, 40_001)]);
    const answer = answerOf(dropped, both, 'original');
    expect(answer.tone).toBe('bad');
    expect(answer.text).toBe(
      'Dropped on node111 in forward, table filter, chain cali-tw-calibd2348b4f67: NETFILTER_DROP. 3 of 3 packets.',
    );
    expect(answer.packet?.id).toBe('b-original-0');
  });

  test('of a drop that no kept packet shows says so', () => {
    const answer = answerOf(dropped, { original: [], reply: [] }, 'original');
    expect(answer.text).toContain('NETFILTER_DROP. No packet that is kept shows where.');
    expect(answer.packet).toBeNull();
  });

  test('of a flow that lost some packets and goes on is a warning', () => {
    const lossy: FlowRecord = { ...dropped, verdict: 'delivered' };
    expect(answerOf(lossy, { original: [], reply: [] }, 'original').tone).toBe('warn');
  });

  test('else names the slowest hop with its share', () => {
    const answer = answerOf(service, byDirection(service, paths), 'original');
    expect(answer.text).toMatch(/^Slowest: node111 ens10 egress, p50 [\d.]+ µs, \d+% of the way$/);
    expect(answer.leg).toContain('ens10|egress');
  });

  test('does not make anything up of a flow that was only counted', () => {
    const counted: FlowRecord = { ...service, legs: [] };
    expect(answerOf(counted, { original: [], reply: [] }, 'original').text).toContain('not traced');
  });
});

describe('what a flow opens with', () => {
  test('the drop, in its direction', () => {
    const all = [...paths, droppedPath('a', 9, 38_610)];
    const both = byDirection(service, all);
    expect(directionThatMatters(service, both)).toBe('original');
    expect(packetThatMatters(service, both.original, 'original')?.verdict).toBe('dropped');
  });

  test('else the packet nearest to p50', () => {
    const { original } = byDirection(service, paths);
    const [fast = paths[0] as PathRecord] = [...original].sort((a, b) => took(a) - took(b));
    const near: FlowRecord = {
      ...service,
      latencyNs: {
        original: { count: '4', p50: took(fast), p90: 0, p99: 0, max: 0 },
        reply: null,
      },
    };
    expect(packetThatMatters(near, original, 'original')?.id).toBe(fast.id);
    expect(took(slowest(original) as PathRecord)).toBeGreaterThan(took(fast));
  });
});

test('a duplicate thrown away is no loss: neither an answer, nor a packet to open with', () => {
  const copy = droppedPath('a', 9, 38_610);
  const path: PathRecord = {
    ...copy,
    drop: { ...(copy.drop as NonNullable<PathRecord['drop']>), reason: 'TCP_OLD_SEQUENCE' },
  };
  const none = { segments: '0', lost: [], arrivedBefore: '0', unexplained: '0' };
  const way = { rttNs: null, retransmitted: none, outOfOrder: '0', zeroWindows: '0' };
  const quiet = { ...way, windowClosed: false, resets: '0', duplicates: '0' };
  const flow: FlowRecord = {
    ...service,
    drops: { original: '1', reply: '0', reasons: { TCP_OLD_SEQUENCE: '1' } },
    tcp: { handshake: null, original: { ...quiet, duplicates: '1' }, reply: quiet, closedBy: null },
  };
  const both = byDirection(flow, [...paths, path]);
  expect(answerOf(flow, both, 'original').text).toMatch(/^Slowest/);
  expect(packetThatMatters(flow, both.original, 'original')?.verdict).toBe('delivered');
});

test('a drop in a driver is placed by its device', () => {
  const path = droppedPath('b', 0, 40_001);
  const drop = { ...(path.drop as NonNullable<PathRecord['drop']>), hook: null, tables: [] };
  expect(dropPlace({ ...path, drop })).toBe('on node111 at calice0906292e2, in nf_hook_slow');
});

describe('only what was seen', () => {
  test('an answer that conntrack expects is said to be that', () => {
    const expected = { ...service, packets: { original: '3', reply: '0' } };
    expect(answerWords(expected)).toBe('as connection tracking expects it; no reply seen');
    expect(answerWords(service)).toBeNull();
  });

  test('packets followed are of packets counted, and never more than there were', () => {
    expect(followedWords(service)).toBe('8 of 8 packets followed');
    const early = { ...service, sampled: { paths: '144', of: '36' } };
    expect(followedWords(early)).toBe('144 packets followed; 36 counted by the kernel so far');
  });

  test('a sender that was told sends smaller ones only once one was seen', () => {
    const told: FlowRecord = { ...service, mtu: { ...service.mtu, verdict: 'pmtu' } };
    expect(mtuMeaning(told)).toContain('sent no smaller one yet');
    const error = { direction: 'original', from: '10.0.0.1', mtu: 1400, count: '1', arrived: '1' };
    const rest = { dropped: null, untranslatedAt: null, largerAfter: '0' };
    const none = { refusals: [], vanished: [], checksums: [] };
    const ways = { original: null, reply: null };
    const seen = (obeyed: 'told' | 'smaller-seen'): FlowRecord => ({
      ...told,
      mtuEvidence: {
        ...{ ways, ...none },
        errors: [{ ...error, ...rest, direction: 'original', obeyed }],
      },
    });
    expect(mtuMeaning(seen('told'))).toContain('sent no smaller one yet');
    expect(mtuMeaning(seen('smaller-seen'))).toContain('sends smaller ones');
  });
});
