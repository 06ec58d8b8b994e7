import { describe, expect, test } from 'vitest';
import { isListed, moduleState } from '../../src/doctor/kernel-module.js';

const DEP = [
  'kernel/net/ipv4/ipip.ko.xz: kernel/net/ipv4/tunnel4.ko.xz kernel/net/ipv4/ip_tunnel.ko.xz',
  'kernel/net/netfilter/ipvs/ip_vs.ko: kernel/net/netfilter/nf_conntrack.ko',
  'kernel/net/sched/sch_netem.ko.zst:',
  'kernel/drivers/net/vxlan/vxlan-core.ko:',
].join('\n');

describe('isListed', () => {
  test('whatever the compression', () => {
    expect(isListed('ipip', DEP)).toBe(true);
    expect(isListed('ip_vs', DEP)).toBe(true);
    expect(isListed('sch_netem', DEP)).toBe(true);
  });

  test('a dash in the file is an underscore in the name', () => {
    expect(isListed('vxlan_core', DEP)).toBe(true);
  });

  test('not what others depend on, nor the beginning or end of a name', () => {
    expect(isListed('tunnel4', DEP)).toBe(false);
    expect(isListed('nf_conntrack', DEP)).toBe(false);
    expect(isListed('netem', DEP)).toBe(false);
    expect(isListed('ip', DEP)).toBe(false);
    expect(isListed('ipip', '')).toBe(false);
  });
});

test('builtin goes before loadable, and what is in neither list is absent', async () => {
  const name = 'hopscope_no_such_module';
  const line = `kernel/${name}.ko`;
  expect(await moduleState(name, { builtin: line, loadable: `${line}:` })).toBe('builtin');
  expect(await moduleState(name, { builtin: '', loadable: `${line}:` })).toBe('loadable');
  expect(await moduleState(name, { builtin: '', loadable: '' })).toBe('absent');
});
