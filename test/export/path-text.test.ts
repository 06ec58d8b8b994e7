import type { HopRecord } from 'hopscope-protocol';
import { describe, expect, it } from 'vitest';
import { changesText, endpointText, pathText, tupleText } from '../../src/export/path-text.js';
import { nth, REASONS } from '../fixtures/joined.js';
import { ADDRESSES, CALI1, ENS111, ENS112, MACS, POD1_ETH0 } from '../fixtures/places.js';
import { Tape } from '../fixtures/tape.js';
import { DROP_LOCATION, onlyRecordedPath } from './recorded.js';

const ECHO = {
  proto: 'icmp',
  src: ADDRESSES.pod1,
  dst: ADDRESSES.pod3,
  icmpId: 7,
  icmpSeq: 1,
  payload: 56,
} as const;
const FROM_POD = { src: MACS.pod1, dst: MACS.hostSide };
const ON_LAN = { src: MACS.node111, dst: MACS.node112 };

it('writes addresses with ports, IPv6 in brackets', () => {
  expect(endpointText('10.0.0.1', 80)).toBe('10.0.0.1:80');
  expect(endpointText('10.0.0.1', null)).toBe('10.0.0.1');
  expect(endpointText('fd00::1', 80)).toBe('[fd00::1]:80');
  expect(endpointText('fd00::1', null)).toBe('fd00::1');
  const tuple = { proto: 'udp', src: 'fd00::1', dst: 'fd00::2', sport: 1, dport: 2 };
  expect(tupleText(tuple)).toBe('[fd00::1]:1 → [fd00::2]:2');
});

it('has no character that a terminal acts on, whoever named the devices', () => {
  const tape = new Tape();
  tape.packet(ECHO).set({ link: FROM_POD }).egress(POD1_ETH0);
  const path = onlyRecordedPath(tape);
  const hops = path.hops.map((hop) => ({ ...hop, dev: 'eth\u001b[2J0', netns: 'a\rb' }));
  const lines = pathText({ ...path, hops }, false).split('\n');
  expect(lines.at(-1)).toContain('a\\u{d}b/eth\\u{1b}[2J0');
  for (const line of lines) expect(line).not.toMatch(/\p{Cc}/u);
});

it('prints a packet in lines: what it is, then hop by hop what changed', () => {
  const tape = new Tape();
  tape
    .packet(ECHO)
    .set({ link: FROM_POD })
    .egress(POD1_ETH0)
    .ingress(CALI1)
    .hook(CALI1, 'forward', [-151])
    .change({ ttl: 63 })
    .set({ tunnel: { type: 'ipip', src: ADDRESSES.node111, dst: ADDRESSES.node112 }, link: ON_LAN })
    .wait(8_120)
    .egress(ENS111)
    .ingress(ENS112)
    .free();
  expect(pathText(onlyRecordedPath(tape), false).split('\n')).toEqual([
    `21:21:09.857 icmp ${ADDRESSES.pod1} → ${ADDRESSES.pod3} type 8 id 7 seq 1 unknown`,
    `               pod1/eth0                  egress               98  mac ${MACS.pod1} → ${MACS.hostSide}`,
    '      +1.0 µs  node111/calice0906292e2    ingress              98',
    '      +1.0 µs  node111/calice0906292e2    forward -151         84',
    `      +9.1 µs  node111/ens10              egress              118  mac ${MACS.node111} → ${MACS.node112}, +ipip ${ADDRESSES.node111} → ${ADDRESSES.node112} (+20), ttl 63`,
    '      +1.0 µs  node112/ens10              ingress             118',
  ]);
});

it('reports where and why a packet was dropped', () => {
  const tape = new Tape();
  tape
    .packet({ ...ECHO, proto: 'tcp', sport: 38610, dport: 80, flags: 'S', seq: 12 })
    .ingress(CALI1)
    .hook(CALI1, 'forward', [-151, -1])
    .drop(null, REASONS.NETFILTER_DROP, { location: DROP_LOCATION });
  const path = onlyRecordedPath(tape);
  const plain = pathText(path, false).split('\n');
  expect(plain[0]).toMatch(
    / \[S\] seq 12 dropped NETFILTER_DROP in nf_hook_slow at forward filter$/,
  );
  expect(plain.at(-1)).toMatch(/ drop +\d+$/);
  const coloured = pathText(path, true);
  expect(coloured).toContain('\u001b[31mdropped\u001b[0m');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what colours are made of
  expect(coloured.replaceAll(/\u001b\[\d+m/g, '')).toBe(plain.join('\n'));
});

it('says that hops are missing', () => {
  const tape = new Tape();
  tape.packet(ECHO).egress(POD1_ETH0);
  const path = onlyRecordedPath(tape);
  expect(pathText({ ...path, complete: false }, false)).toMatch(/^[^\n]* \(hops missing\)\n/);
  expect(pathText({ ...path, complete: true }, false)).not.toContain('missing');
});

it('has a line for a packet of which nothing could be read', () => {
  const tape = new Tape();
  tape.packet(ECHO).egress(POD1_ETH0);
  const path = onlyRecordedPath(tape);
  const hops = path.hops.map((hop) => ({ ...hop, tuple: null, mac: null, dev: null, len: null }));
  expect(
    pathText({ ...path, hops }, false)
      .split('\n')[1]
      ?.trim(),
  ).toBe('pod1                       egress');
});

describe('what changed', () => {
  const tape = new Tape();
  tape.packet({ ...ECHO, proto: 'tcp', sport: 1, dport: 2 }).egress(POD1_ETH0);
  const hop: HopRecord = nth(onlyRecordedPath(tape).hops, 0);
  const tuple = { proto: 'tcp', src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 };
  const before: HopRecord = { ...hop, tuple };
  const outer = {
    ...{ type: 'vxlan' as const, src: '192.0.2.1', dst: '192.0.2.2', sport: 4000, dport: 4789 },
    ...{ vni: 4096, overhead: 50 },
  };

  it.each<[string, Partial<HopRecord>, Partial<HopRecord>, string]>([
    ['nothing', {}, {}, ''],
    ['no frame here', {}, { mac: null }, ''],
    ['the destination', {}, { tuple: { ...tuple, dst: '10.0.0.9' } }, 'dst 10.0.0.9:2'],
    ['its port', {}, { tuple: { ...tuple, dport: 9 } }, 'dst 10.0.0.2:9'],
    ['the source', {}, { tuple: { ...tuple, sport: 9 } }, 'src 10.0.0.1:9'],
    ['the TTL', {}, { ttl: 63 }, 'ttl 63'],
    ['a first fragment', {}, { fragment: { offset: 0, more: true } }, 'fragment 0+'],
    [
      'a smaller fragment',
      { fragment: { offset: 1424, more: true } },
      { fragment: { offset: 2848, more: false } },
      'fragment 2848',
    ],
    ['reassembled', { fragment: { offset: 0, more: true } }, { fragment: null }, 'whole'],
    ['the mark', {}, { mark: '0x4000' }, 'mark 0x4000'],
    ['the mark taken off', { mark: '0x4000' }, { mark: '0x0' }, 'mark 0x0'],
    ['conntrack', {}, { ct: { state: 'new', zone: 0 } }, 'ct new'],
    ['not conntrack', { ct: { state: 'new', zone: 0 } }, { ct: null }, ''],
    ['a tunnel', {}, { outer }, '+vxlan 192.0.2.1 → 192.0.2.2 vni 4096 (+50)'],
    ['the same tunnel', { outer }, { outer }, ''],
    ['no tunnel', { outer }, { outer: null }, '-vxlan'],
  ])('is %s', (_, from, to, text) => {
    expect(changesText({ ...before, ...from }, { ...before, ...to })).toBe(text);
  });
});
