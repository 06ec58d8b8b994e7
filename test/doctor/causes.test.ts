import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { afterMounting, examine, hopscopeUnder, WITHOUT_BPF_CALL, without } from './examined.js';

/** What no cause but an old kernel may be answered with. */
const NEWER = /Linux \d|newer|backports/;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hopscope-causes-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const trace = (wrapper: readonly string[]) =>
  hopscopeUnder(wrapper, ['trace', '--json', '--duration', '100ms']);

describe('what is not permitted is not an old kernel', () => {
  test.each([
    ['CAP_BPF', 'cap-bpf', ['sys_admin', 'bpf']],
    ['CAP_PERFMON', 'cap-perfmon', ['sys_admin', 'perfmon']],
  ])('without %s nothing is traced', (name, id, capabilities) => {
    const examined = examine(without(...capabilities));
    expect(examined.status).toBe(3);
    expect(examined.found(id)).toMatchObject({ state: 'absent' });
    expect(examined.found('tp-btf').state).toBe('unknown');
    expect(examined.err).toContain(name);
    expect(examined.err).not.toMatch(NEWER);
    const { status, err } = trace(without(...capabilities));
    expect(status).toBe(3);
    expect(err).toMatch(/\[KERNEL_NOT_PERMITTED\]\n {2}.*run as root/);
    expect(err).toContain(name);
    expect(err).not.toMatch(/supports BPF|RLIMIT_MEMLOCK/);
  });

  test('without CAP_SYS_ADMIN', () => {
    const examined = examine(without('sys_admin'));
    expect(examined.status).toBe(0);
    expect(examined.found('cap-sys-admin').state).toBe('absent');
    // Tried in a namespace of its own, which it may not make: in this one it may be allowed.
    for (const id of ['netfilter-link', 'netfilter-hops']) {
      expect(examined.found(id)).toMatchObject({ state: 'unknown' });
      expect(examined.found(id).detail).toMatch(/^not tried without CAP_SYS_ADMIN/);
    }
    const stats = examined.found('bpf-stats');
    expect(stats.detail).toMatch(/^not permitted: EPERM/);
    expect(stats.remedy).toMatch(/^CAP_SYS_ADMIN: run as root/);
  });

  test('without CAP_NET_ADMIN iptables is there, and cannot be asked', () => {
    const iptables = examine(without('net_admin')).found('tool-iptables');
    expect([iptables.state, iptables.remedy]).toEqual(['unknown', null]);
  });

  test('what else root has is not needed', () => {
    const wrapper = without('net_raw', 'sys_resource', 'sys_ptrace', 'dac_override', 'sys_module');
    const examined = examine(wrapper);
    expect([examined.status, examined.canTrace]).toEqual([0, true]);
    expect(trace(wrapper).err).toMatch(/^ready$/m);
  });

  test('root of a user namespace is not root of the machine', () => {
    const wrapper = ['unshare', '--user', '--map-root-user'];
    const examined = examine(wrapper);
    expect(examined.status).toBe(3);
    expect(examined.found('cap-bpf')).toMatchObject({ state: 'absent' });
    expect(examined.found('cap-bpf').detail).toMatch(/of a user namespace alone$/);
    expect(examined.found('cap-bpf').remedy).toMatch(/rootless container/);
    expect(examined.err).not.toMatch(NEWER);
    const { status, err } = trace(wrapper);
    expect(status).toBe(3);
    expect(err).toMatch(/\[KERNEL_NOT_PERMITTED\]\n {2}.*user namespace/);
  });

  test('a seccomp filter is named', () => {
    const examined = examine(WITHOUT_BPF_CALL);
    expect(examined.status).toBe(3);
    for (const id of ['tp-btf', 'ring-buffer', 'netfilter-hops']) {
      expect(examined.found(id).detail).toMatch(/^not permitted: EPERM/);
      expect(examined.found(id).remedy).toMatch(/seccomp/);
    }
    expect(examined.err).not.toMatch(NEWER);
    const { status, err } = trace(WITHOUT_BPF_CALL);
    expect(status).toBe(3);
    expect(err).toMatch(/\[KERNEL_NOT_PERMITTED\]\n {2}.*seccomp/);
  });
});

describe('what is hidden', () => {
  const withoutTypes = (): string[] => afterMounting(`mount --bind ${folder} /sys/kernel/btf`);

  test('type information: what rests on it is not tried', () => {
    const examined = examine(withoutTypes());
    expect(examined.status).toBe(3);
    expect(examined.found('btf')).toMatchObject({ state: 'absent' });
    expect(examined.found('btf').remedy).toContain('CONFIG_DEBUG_INFO_BTF');
    expect(examined.found('tp-btf').state).toBe('unknown');
    expect(examined.err.trim().split('\n')).toHaveLength(1);
    const { status, err } = trace(withoutTypes());
    expect(status).toBe(3);
    expect(err).toMatch(/BTF.*\[KERNEL_NOT_SUPPORTED\]\n {2}.*CONFIG_DEBUG_INFO_BTF/);
  });

  test('all of /sys: it is to be mounted', () => {
    const btf = examine(afterMounting('mount -t tmpfs none /sys')).found('btf');
    expect([btf.state, btf.detail]).toEqual(['absent', '/sys is not mounted']);
    expect(btf.remedy).toMatch(/mount -t sysfs/);
  });

  test('all of /proc: privileges are not known', () => {
    const examined = examine(afterMounting('mount -t tmpfs none /proc'));
    expect(examined.found('cap-bpf').state).toBe('unknown');
    expect(examined.found('open-files').state).toBe('unknown');
  });
});

describe('limits', () => {
  test.each([40, 64])('%d open files are named as the cause', (files) => {
    const wrapper = ['prlimit', `--nofile=${files}:${files}`, '--'];
    const { status, err } = trace(wrapper);
    expect(status).toBe(3);
    expect(err).toMatch(/\[TOO_MANY_OPEN_FILES\]\n {2}.*ulimit -n/);
    expect(err).not.toMatch(/npm run build|\.js:\d/);
  });

  test('the doctor says how many are needed', () => {
    const examined = examine(['prlimit', '--nofile=64:64', '--']);
    expect(examined.status).toBe(3);
    expect(examined.found('open-files')).toMatchObject({ state: 'absent', need: 'required' });
    expect(examined.found('open-files').detail).toMatch(/^limit 64, \d+ network namespaces/);
    expect(examined.err).toContain('ulimit -n');
  });

  test('a native package that cannot be opened for them was built', () => {
    const examined = examine(['prlimit', '--nofile=26:26', '--']);
    expect(examined.found('native').remedy).toMatch(/ulimit -n/);
  });

  test('enough of them is enough', () => {
    expect(examine(['env']).found('open-files').state).toBe('available');
  });
});

describe('kernel.unprivileged_bpf_disabled', () => {
  const sysctl = '/proc/sys/kernel/unprivileged_bpf_disabled';
  const before = readFileSync(sysctl, 'utf8').trim();
  afterEach(() => {
    if (before !== '1') writeFileSync(sysctl, before);
  });

  // Once it is 1 it stays so until the next boot, and no other value can be tried.
  test.each(before === '1' ? ['1'] : ['0', '2'])('%s is neither cause nor remedy', (value) => {
    if (before !== '1') writeFileSync(sysctl, value);
    const examined = examine(without('sys_admin', 'bpf'));
    expect(examined.status).toBe(3);
    expect(examined.found('cap-bpf').remedy).toMatch(/^run as root/);
    expect(examined.err).not.toMatch(NEWER);
    expect(examine(['env']).canTrace).toBe(true);
  });
});
