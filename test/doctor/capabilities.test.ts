import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { effectiveCapabilities } from '../../src/doctor/capabilities.js';

test('reads the effective mask, bit by bit', () => {
  // Bits 12 and 39: CAP_NET_ADMIN and CAP_BPF.
  const status = 'Name:\tnode\nCapPrm:\t0000008000001000\nCapEff:\t0000008000001000\n';
  expect([...effectiveCapabilities(status)].sort()).toEqual(['CAP_BPF', 'CAP_NET_ADMIN']);
});

test('the permitted mask alone gives nothing', () => {
  const status = 'CapPrm:\tffffffffffffffff\nCapEff:\t0000000000000000\n';
  expect(effectiveCapabilities(status).size).toBe(0);
});

test('every one of them in a full mask, none without the line', () => {
  expect(effectiveCapabilities('CapEff:\t000001ffffffffff\n').size).toBe(6);
  expect(effectiveCapabilities('CapInh:\t000001ffffffffff\n').size).toBe(0);
  expect(effectiveCapabilities('').size).toBe(0);
});

test('agrees with the kernel about this process, which is root', () => {
  const held = effectiveCapabilities(readFileSync('/proc/self/status', 'utf8'));
  expect(held).toContain('CAP_BPF');
  expect(held).toContain('CAP_SYS_ADMIN');
});
