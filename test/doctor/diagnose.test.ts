import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { release } from 'node:os';
import { probe } from 'ebpf-ts';
import { beforeAll, describe, expect, test } from 'vitest';
import { blockers, diagnose, summarize } from '../../src/doctor/diagnose.js';
import {
  absent,
  available,
  type Diagnosis,
  type Finding,
  type FindingNeed,
  finding,
  unknown,
} from '../../src/doctor/diagnosis.js';
import { lockdownMode } from '../../src/doctor/privileges.js';

function sample(need: FindingNeed, observation = absent()): Finding {
  return finding(
    {
      id: `a-${need}`,
      area: 'kernel',
      title: `the ${need}`,
      need,
      consequence: 'nothing works',
      remedy: 'buy another',
    },
    observation,
  );
}

const MACHINE = { kernel: '6.1', machine: 'x64', node: 'v20', libbpf: null };

describe('what follows from findings', () => {
  test('only what is required and absent forbids tracing', () => {
    expect(summarize([sample('required')], MACHINE).canTrace).toBe(false);
    expect(summarize([sample('wanted'), sample('optional')], MACHINE).canTrace).toBe(true);
    expect(summarize([sample('required', unknown())], MACHINE).canTrace).toBe(true);
    expect(blockers([sample('required', available()), sample('wanted')])).toEqual([]);
  });

  test('the missing list has what records lack, in words, and not what only the lab lacks', () => {
    const { missing } = summarize([sample('wanted'), sample('optional')], MACHINE);
    expect(missing).toEqual(['the wanted: nothing works']);
  });

  test('consequence and remedy belong to the absent alone', () => {
    expect(sample('wanted')).toMatchObject({ consequence: 'nothing works', remedy: 'buy another' });
    for (const other of [available(), unknown()]) {
      expect(sample('wanted', other)).toMatchObject({ consequence: null, remedy: null });
    }
  });
});

test('the lockdown mode is the one in brackets', () => {
  expect(lockdownMode('none [integrity] confidentiality\n')).toBe('integrity');
  expect(lockdownMode('')).toBeNull();
});

describe('this machine', () => {
  let diagnosis: Diagnosis;
  let before: string;
  beforeAll(async () => {
    before = whatIsThere();
    diagnosis = await diagnose();
  });

  function found(id: string): Finding {
    const each = diagnosis.findings.find((one) => one.id === id);
    if (each === undefined) throw new Error(`no finding ${id}`);
    return each;
  }

  test('can be traced on, as root with BTF', () => {
    expect(diagnosis.canTrace).toBe(true);
    expect(diagnosis.kernel).toBe(release());
    expect(found('btf').state).toBe(existsSync('/sys/kernel/btf/vmlinux') ? 'available' : 'absent');
  });

  test('netfilter hops are by links, else by fentry, else said to be missing', () => {
    const { netfilterLink, fentry } = probe();
    const each = found('netfilter-hops');
    const sentence = diagnosis.missing.some((one) => one.startsWith('netfilter hops:'));
    if (netfilterLink.available) expect(each.detail).toBe('by links');
    else if (fentry.available) expect(each.detail).toMatch(/^by fentry, in namespaces that have/);
    else expect(each.detail).toContain(fentry.reason);
    const seen = netfilterLink.available || fentry.available;
    expect([each.state, sentence]).toEqual(seen ? ['available', false] : ['absent', true]);
    // Which of the two it is is no lack.
    expect(diagnosis.missing.some((one) => /^netfilter links|^function entry/.test(one))).toBe(
      false,
    );
  });

  test('names each thing once', () => {
    const ids = diagnosis.findings.map((each) => each.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('nothing was left behind', () => {
    expect(whatIsThere()).toBe(before);
  });

  test.each([
    ['device-ipip', ['ipip']],
    ['device-vxlan', ['vxlan', 'id', '7', 'dstport', '4789']],
    ['device-wireguard', ['wireguard']],
    ['device-veth', ['veth']],
  ])('%s is there exactly when ip(8) can make one', (id, type) => {
    const made = spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'judge0', 'type', ...type]);
    // A tunnel module that the attempt just loaded counts as there.
    expect(found(id).state).toBe(made.status === 0 ? 'available' : 'absent');
  });

  test('drop reasons are the kernel type that bpftool sees', () => {
    const dump = execFileSync('bpftool', ['btf', 'dump', 'id', '1'], {
      encoding: 'utf8',
      maxBuffer: 512 * 1024 * 1024,
    });
    const vlen = /ENUM(?:64)? 'skb_drop_reason'.* vlen=(\d+)/.exec(dump)?.[1];
    const each = found('drop-reasons');
    expect(each.state).toBe(vlen === undefined ? 'absent' : 'available');
    if (vlen !== undefined) expect(each.detail).toBe(`${vlen} known`);
  });
});

/** Named namespaces, devices, and the BPF objects this process holds open. */
function whatIsThere(): string {
  const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns').sort() : [];
  const devices = readdirSync('/sys/class/net').sort();
  const bpf = readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    })
    .filter((target) => /bpf|btf/.test(target));
  return JSON.stringify({ namespaces, devices, bpf });
}
