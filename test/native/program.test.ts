import { execFileSync } from 'node:child_process';
import { BpfObject, type Link } from 'ebpf-ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';
import { features, testWith } from './kernel-feature.js';
import { createNetworkNamespace, type NetworkNamespace } from './network-namespace.js';

/** Slots of the counters in sample.bpf.c. */
const SLOT = { tcx: 1, receive: 2, raw: 3, tracepoint: 4 } as const;

describeAsRoot('a program', () => {
  let object: BpfObject;
  let links: Link[];
  let netns: NetworkNamespace;

  beforeAll(() => {
    netns = createNetworkNamespace('ebpf-ts-attach');
  });
  afterAll(() => {
    netns.remove();
  });
  beforeEach(() => {
    links = [];
    object = BpfObject.open(compileProgram('sample'));
    object.load();
  });
  afterEach(() => {
    for (const link of links) link.close();
    object.close();
  });

  const attached = (link: Link): Link => {
    links.push(link);
    return link;
  };
  const counted = (slot: number): number => {
    const value = object.map('counters').get(new Uint8Array(new Uint32Array([slot]).buffer));
    return value === null ? 0 : Number(new DataView(value.buffer).getBigUint64(0, true));
  };
  const pingInside = (): string => netns.run('ping', '-c', '3', '-i', '0.05', '127.0.0.1');

  testWith('tcx')('runs at a tcx hook of a device in another namespace', () => {
    const link = attached(
      object.program('on_tcx').attachTcx({ ifindex: 1, direction: 'ingress', netns: netns.path }),
    );
    expect(link.info().tcx).toEqual({ ifindex: 1, attachType: 46 });
    pingInside();
    expect(counted(SLOT.tcx)).toBe(6);
    const first = attached(
      object.program('on_tcx').attachTcx({
        ifindex: 1,
        direction: 'egress',
        position: 'first',
        netns: netns.path,
      }),
    );
    expect(first.info().tcx).toEqual({ ifindex: 1, attachType: 47 });
    pingInside();
    expect(counted(SLOT.tcx)).toBe(18);
  });

  testWith('tcx')('takes the place of another in a link', () => {
    const link = attached(
      object.program('on_tcx').attachTcx({ ifindex: 1, direction: 'ingress', netns: netns.path }),
    );
    const other = BpfObject.open(compileProgram('sample'));
    try {
      other.load();
      other.program('on_tcx').replaceIn(link);
      expect(link.info().programId).toBe(other.program('on_tcx').info().id);
      pingInside();
      expect(counted(SLOT.tcx)).toBe(0);
      bpfErrorOf(() => other.program('on_raw').replaceIn(link), 'EINVAL');
      link.close();
      bpfErrorOf(() => other.program('on_tcx').replaceIn(link), 'BPF_CLOSED');
      bpfErrorOf(() => other.program('on_tcx').replaceIn({} as never), 'BPF_BAD_ARGUMENT');
    } finally {
      other.close();
    }
  });

  testWith('tcx')('outlives, as a link, the device it was attached to', () => {
    netns.run('ip', 'link', 'add', 'gone0', 'type', 'veth', 'peer', 'gone1');
    const shown = JSON.parse(netns.run('ip', '-j', 'link', 'show', 'gone0'));
    const link = attached(
      object.program('on_tcx').attachTcx({
        ifindex: shown[0].ifindex,
        direction: 'egress',
        netns: netns.path,
      }),
    );
    netns.run('ip', 'link', 'del', 'gone0');
    expect(link.info().tcx?.ifindex).toBe(0);
    link.close();
  });

  test('runs at tracepoints: by BTF, raw, and by category and name', () => {
    attached(object.program('on_receive').attachBtf());
    attached(object.program('on_raw').attachRawTracepoint('sys_enter'));
    attached(object.program('on_tracepoint').attachTracepoint('sched', 'sched_switch'));
    pingInside();
    expect(counted(SLOT.receive)).toBeGreaterThanOrEqual(6);
    expect(counted(SLOT.raw)).toBeGreaterThan(10);
    expect(counted(SLOT.tracepoint)).toBeGreaterThan(0);
  });

  test('attaches to a tracepoint where no tracefs is mounted', () => {
    // In a mount namespace of its own, so that this machine keeps what it has.
    const script = `
      import { BpfObject } from 'ebpf-ts';
      const object = BpfObject.open(process.argv[1]);
      object.load();
      const link = object.program('on_tracepoint').attachTracepoint('sched', 'sched_switch');
      console.log(link.info().programId === object.program('on_tracepoint').info().id);
    `;
    const shell = [
      'umount -a -t tracefs 2>/dev/null',
      'umount -a -t debugfs 2>/dev/null',
      'test ! -e /sys/kernel/tracing/events || exit 3',
      'node --input-type=module -e "$0" "$1" || exit 4',
      'test ! -e /sys/kernel/tracing/events || exit 5',
    ].join('\n');
    const output = execFileSync(
      'unshare',
      ['--mount', 'sh', '-c', shell, script, compileProgram('sample')],
      { encoding: 'utf8', cwd: import.meta.dirname },
    );
    expect(output.trim()).toBe('true');
  });

  test('names what it cannot be attached to', () => {
    // A program of another type; the namespace is looked for first.
    const netfilter = object.program('on_tcx');
    const place = { family: 'ipv4', hook: 'input', priority: 0 } as const;
    bpfErrorOf(
      () => netfilter.attachNetfilter({ ...place, netns: '/run/netns/no-such' }),
      'ENOENT',
    );
    const error = bpfErrorOf(
      () => netfilter.attachNetfilter({ ...place, netns: '/etc/hostname' }),
      'EINVAL',
    );
    expect(error.message).toContain('setns of network namespace /etc/hostname');
    bpfErrorOf(() => object.program('on_raw').attachRawTracepoint('no_such_tracepoint'), 'ENOENT');
    bpfErrorOf(
      () => object.program('on_tracepoint').attachTracepoint('sched', 'no_such_tracepoint'),
      'ENOENT',
    );
    // A kernel without tcx does not get as far as the device.
    bpfErrorOf(
      () => object.program('on_tcx').attachTcx({ ifindex: 9999, direction: 'ingress' }),
      features.tcx.available ? 'ENODEV' : 'EINVAL',
    );
    bpfErrorOf(() => netfilter.attachNetfilter(place), 'EINVAL');
  });

  test('refuses options of the wrong kind before the kernel sees them', () => {
    const netfilter = object.program('on_raw');
    const tcx = object.program('on_tcx');
    const place = { family: 'ipv4', hook: 'input', priority: 0 } as const;
    const wrong = (value: unknown) => value as never;
    for (const options of [
      null,
      'ipv4',
      {},
      { ...place, family: 'arp' },
      { ...place, family: 2 },
      { ...place, hook: 'ingress' },
      { ...place, hook: 'toString' },
      { ...place, priority: '0' },
      { ...place, priority: 0.5 },
      { ...place, priority: -(2 ** 31) },
      { ...place, priority: 2 ** 31 - 1 },
      { ...place, defrag: 1 },
      { ...place, netns: '' },
      { ...place, netns: 'a\0b' },
      { ...place, netns: 3 },
    ]) {
      bpfErrorOf(() => netfilter.attachNetfilter(wrong(options)), 'BPF_BAD_ARGUMENT');
    }
    for (const options of [
      null,
      { ifindex: 0, direction: 'ingress' },
      { ifindex: 1.5, direction: 'ingress' },
      { ifindex: 1, direction: 'both' },
      { ifindex: 1, direction: 'ingress', position: 'middle' },
    ]) {
      bpfErrorOf(() => tcx.attachTcx(wrong(options)), 'BPF_BAD_ARGUMENT');
    }
    bpfErrorOf(
      () => object.program('on_tracepoint').attachTracepoint('../sched', 'sched_switch'),
      'BPF_BAD_ARGUMENT',
    );
    bpfErrorOf(() => object.program('on_raw').attachRawTracepoint(''), 'BPF_BAD_ARGUMENT');
  });
});
