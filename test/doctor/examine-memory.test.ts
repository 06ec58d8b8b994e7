import { afterEach, describe, expect, test } from 'vitest';
import {
  examineMemory,
  isOlderThan,
  memlockLimit,
  memoryFinding,
} from '../../src/doctor/examine-memory.js';
import { limitFiles } from '../../src/doctor/memory-limit.js';
import { MEMORY_DEFAULT, MEMORY_LEAST } from '../../src/model/memory-budget.js';
import { type MemoryCgroup, memoryCgroup } from '../fixtures/cgroup.js';
import { examine, hopscopeUnder } from './examined.js';

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

describe('where a limit may be written', () => {
  const unified = '30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n';
  const old = (root: string) =>
    `34 32 0:31 ${root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n`;

  test('every cgroup from its own up to the mount', () => {
    expect(limitFiles('0::/system.slice/a.service\n', unified)).toEqual([
      '/sys/fs/cgroup/system.slice/a.service/memory.max',
      '/sys/fs/cgroup/system.slice/memory.max',
      '/sys/fs/cgroup/memory.max',
    ]);
  });

  test('a container sees its own as the root, which has one', () => {
    expect(limitFiles('0::/\n', unified)).toEqual(['/sys/fs/cgroup/memory.max']);
  });

  test('of version 1 the hierarchy of memory', () => {
    const membership = '9:name=systemd:/x\n4:cpu,memory:/a\n0::/\n';
    expect(limitFiles(membership, old('/'))).toEqual([
      '/sys/fs/cgroup/memory/a/memory.limit_in_bytes',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes',
    ]);
    expect(limitFiles('9:name=systemd:/x\n', old('/'))).toEqual([]);
  });

  test('what is mounted of a container begins at its cgroup', () => {
    expect(limitFiles('4:memory:/docker/c/inner\n', old('/docker/c'))).toEqual([
      '/sys/fs/cgroup/memory/inner/memory.limit_in_bytes',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes',
    ]);
    expect(limitFiles('4:memory:/elsewhere\n', old('/docker/c'))).toEqual([
      '/sys/fs/cgroup/memory/memory.limit_in_bytes',
    ]);
  });
});

test('what is too little depends on what hopscope takes', () => {
  const state = (limit: number | null, free: number | null = null) => {
    const { state, need, remedy } = memoryFinding(limit, free);
    return [state, need, remedy?.replace(/.*(--memory \w+).*/, '$1') ?? null];
  };
  expect(state(null)).toEqual(['available', 'wanted', null]);
  expect(state(MEMORY_DEFAULT)).toEqual(['available', 'wanted', null]);
  expect(state(MEMORY_DEFAULT - 1)).toEqual(['absent', 'wanted', '--memory 384M']);
  expect(state(MEMORY_LEAST - 1)).toEqual(['absent', 'required', '--memory 384M']);
  expect(state(null, MEMORY_DEFAULT - 1)).toEqual(['absent', 'wanted', '--memory 384M']);
});

test('this machine has room, or says how little', async () => {
  const [found] = await examineMemory();
  expect(found?.id).toBe('memory-limit');
  const isLow = found?.state === 'absent';
  const megabytes = Number(/(\d+)M/.exec(found?.detail ?? '')?.[1] ?? Number.POSITIVE_INFINITY);
  expect(isLow).toBe(megabytes < MEMORY_DEFAULT / 1024 / 1024);
});

describe('in a cgroup with little memory', () => {
  let group: MemoryCgroup | null = null;
  afterEach(() => {
    group?.remove();
    group = null;
  });

  /** What runs commands in a new one. */
  function within(megabytes: number): readonly string[] {
    group = memoryCgroup(megabytes);
    return group.wrapper;
  }

  test.each([
    [200, 'required', 3],
    [400, 'wanted', 0],
  ])('of %d MiB', (megabytes, need, status) => {
    const examined = examine(within(megabytes));
    expect(examined.status).toBe(status);
    expect(examined.found('memory-limit')).toMatchObject({ state: 'absent', need });
    expect(examined.found('memory-limit').detail).toBe(`cgroup limit ${megabytes}M`);
    expect(examined.found('memory-limit').remedy).toMatch(/memory\.max/);
  });

  test('a command does not begin what it will be killed for', () => {
    const { status, err } = hopscopeUnder(within(200), ['trace', '--duration', '100ms']);
    expect(status).toBe(3);
    expect(err).toMatch(/200M.*\[NOT_ENOUGH_MEMORY\]\n {2}.*memory\.max/);
    expect(err).not.toMatch(/^ready$/m);
  });

  test('that is less than its budget a command says so, and begins', () => {
    // Node takes the size of its heap from the cgroup: less than that of the budget.
    const wrapper = [...within(400), 'env', 'NODE_OPTIONS=--max-old-space-size=600'];
    const traced = hopscopeUnder(wrapper, ['trace', '--duration', '100ms']);
    expect(traced.err).toMatch(/400M.*--memory 400M/);
    expect(traced.err).toMatch(/^ready$/m);
    const args = ['trace', '--memory', '400M', '--duration', '100ms'];
    expect(hopscopeUnder(wrapper, args).err).not.toMatch(/--memory/);
  });
});
