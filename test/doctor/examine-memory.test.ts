import { expect, test } from 'vitest';
import {
  BPF_MEMORY_BYTES,
  examineMemory,
  isOlderThan,
  memlockLimit,
  unifiedCgroup,
} from '../../src/doctor/examine-memory.js';

test('compares releases by number, not by text', () => {
  expect(isOlderThan('5.10.0-33-amd64', 5, 11)).toBe(true);
  expect(isOlderThan('5.11.0', 5, 11)).toBe(false);
  expect(isOlderThan('5.9.1', 5, 11)).toBe(true);
  expect(isOlderThan('6.1.0-31-amd64', 5, 11)).toBe(false);
  expect(isOlderThan('6.18.44-fc', 6, 2)).toBe(false);
});

test('reads the soft limit of locked memory', () => {
  const line = (soft: string) =>
    `Limit                     Soft Limit           Hard Limit           Units\n` +
    `Max locked memory         ${soft}              8388608              bytes\n`;
  expect(memlockLimit(line('65536'))).toBe(65536);
  expect(memlockLimit(line('unlimited'))).toBeNull();
  expect(memlockLimit('')).toBeNull();
});

test('finds the unified hierarchy among the old ones', () => {
  expect(unifiedCgroup('12:cpu:/x\n0::/system.slice/a.service\n')).toBe('/system.slice/a.service');
  expect(unifiedCgroup('0::/\n')).toBe('/');
  expect(unifiedCgroup('1:name=systemd:/x\n')).toBeNull();
});

test('this machine has room, or says how little', async () => {
  const [found] = await examineMemory();
  expect(found?.id).toBe('memory-limit');
  if (found?.state === 'absent') {
    expect(Number(/(\d+) MiB/.exec(found.detail ?? '')?.[1])).toBeLessThan(
      BPF_MEMORY_BYTES / 1024 / 1024,
    );
  } else {
    expect(found?.state).toBe('available');
  }
});
