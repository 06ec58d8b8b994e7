import { describe, expect, it } from 'vitest';
import { flowText } from '../../src/export/flow-text.js';
import { AT_POD1, AT_POD3, Connection } from '../fixtures/connection.js';
import { ADDRESSES } from '../fixtures/places.js';
import { Tape } from '../fixtures/tape.js';
import { onlyRecordedFlow } from './recorded.js';

const tape = new Tape();
const connection = new Connection(tape, {
  ...{ proto: 'tcp', src: ADDRESSES.pod1, sport: 38610, from: AT_POD1, to: AT_POD3 },
  ...{ dst: ADDRESSES.service, dport: 8080, dnat: { dst: ADDRESSES.pod3, dport: 80 } },
  ...{ tunnelled: true, ctAddress: 0x5000n },
});
connection.send('original', { id: 1, seq: 1000, flags: 'S' });
connection.send('reply', { id: 2, seq: 5000, ack: 1001, flags: 'S.' });
const flow = onlyRecordedFlow(tape);
const plain = { ...flow, latencyNs: { original: null, reply: null } };

describe('one line', () => {
  it('prints both sides of the translation, by name', () => {
    expect(flowText(plain, false)).toBe(
      [
        '21:21:09.857',
        `tcp ${ADDRESSES.pod1}:38610 (pod1) → ${ADDRESSES.service}:8080 (default/nginx-service) ⇒ ${ADDRESSES.pod3}:80 (pod3)`,
        ...[flow.state, flow.verdict ?? '', '1/1 packets', '40/40 bytes', 'vxlan+50'],
      ].join('  '),
    );
  });

  it('has no character that a terminal acts on, whoever chose the names', () => {
    const src = { ...plain.src, name: 'pod\u001b]0;owned\u0007' };
    const text = flowText({ ...plain, src, service: 'a/b\u009b2J' }, false);
    expect(text).toContain('(pod\\u{1b}]0;owned\\u{7})');
    expect(text).toContain('(a/b\\u{9b}2J)');
    expect(text).not.toMatch(/\p{Cc}/u);
  });

  it('reports latency where it was measured', () => {
    const original = { count: '1', p50: 75_300, p90: 80_000, p99: 203_700, max: 203_700 };
    expect(flowText({ ...plain, latencyNs: { original, reply: null } }, false)).toContain(
      '  p50 75.3 µs p99 203.7 µs  ',
    );
    expect(flowText(plain, false)).not.toContain('p50');
  });

  it('reports source translation', () => {
    const nat = { ...flow.nat, snat: { src: '192.0.2.7', sport: 61000 } };
    expect(flowText({ ...plain, nat }, false)).toContain(' as 192.0.2.7:61000  ');
  });

  it('reports drops and losses, and is silent of none', () => {
    const drops = { original: '3', reply: '0', reasons: { NETFILTER_DROP: '2', NO_SOCKET: '1' } };
    expect(flowText({ ...plain, drops, lost: '4' }, false)).toMatch(
      / {2}drops 2×NETFILTER_DROP 1×NO_SOCKET {2}lost 4$/,
    );
    expect(flowText(plain, false)).not.toMatch(/drops|lost/);
  });

  it('has no name for whom nobody named', () => {
    const nobody = { name: null, kind: null, node: null };
    const nat = { dnat: null, snat: null };
    expect(flowText({ ...plain, src: nobody, dst: nobody, nat, service: null }, false)).toContain(
      `tcp ${ADDRESSES.pod1}:38610 → ${ADDRESSES.service}:8080  `,
    );
  });
});
