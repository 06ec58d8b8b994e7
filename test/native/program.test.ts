import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { BpfObject, type Link, probe } from 'ebpf-ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';
import { createNetworkNamespace, type NetworkNamespace } from './network-namespace.js';

/** Slots of the counters in sample.bpf.c. */
const SLOT = { netfilter: 0, tcx: 1, receive: 2, raw: 3, tracepoint: 4, entry: 5 } as const;

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

  test('runs at a netfilter hook of another namespace, and only there', () => {
    const before = readlinkSync('/proc/self/ns/net');
    const threads = readFileSync('/proc/self/status', 'utf8').match(/Threads:\s+(\d+)/)?.[1];
    const link = attached(
      object.program('on_netfilter').attachNetfilter({
        family: 'ipv4',
        hook: 'input',
        priority: -301,
        netns: netns.path,
      }),
    );
    expect(link.kind).toBe('netfilter');
    expect(link.info().netfilter).toEqual({ family: 2, hook: 1, priority: -301, flags: 0 });
    expect(link.info().programId).toBe(object.program('on_netfilter').info().id);
    execFileSync('ping', ['-c', '2', '-i', '0.05', '127.0.0.1']);
    expect(counted(SLOT.netfilter)).toBe(0);
    pingInside();
    expect(counted(SLOT.netfilter)).toBe(6);
    link.close();
    pingInside();
    expect(counted(SLOT.netfilter)).toBe(6);
    // The caller is where it was, and the thread that went there has ended.
    expect(readlinkSync('/proc/self/ns/net')).toBe(before);
    expect(readlinkSync('/proc/thread-self/ns/net')).toBe(before);
    expect(readFileSync('/proc/self/status', 'utf8').match(/Threads:\s+(\d+)/)?.[1]).toBe(threads);
  });

  test.each(['prerouting', 'input', 'forward', 'output', 'postrouting'] as const)(
    'attaches to %s, for both families and at both ends of the priorities',
    (hook) => {
      for (const family of ['ipv4', 'ipv6'] as const) {
        for (const priority of [-(2 ** 31) + 1, 2 ** 31 - 2]) {
          const program = object.program('on_netfilter');
          attached(program.attachNetfilter({ family, hook, priority, netns: netns.path }));
        }
      }
    },
  );

  test('reassembles fragments for a netfilter link that asks', () => {
    const link = attached(
      object.program('on_netfilter').attachNetfilter({
        family: 'ipv4',
        hook: 'prerouting',
        priority: -300,
        defrag: true,
        netns: netns.path,
      }),
    );
    expect(link.info().netfilter?.flags).toBe(1);
    netns.run('ip', 'link', 'set', 'lo', 'mtu', '1500');
    netns.run('ping', '-c', '1', '-s', '4000', '127.0.0.1');
    // Request and reply, three fragments each, seen once each.
    expect(counted(SLOT.netfilter)).toBe(2);
    bpfErrorOf(
      () =>
        object.program('on_netfilter').attachNetfilter({
          family: 'ipv4',
          hook: 'prerouting',
          priority: -400,
          defrag: true,
          netns: netns.path,
        }),
      'ERANGE',
    );
  });

  test('two links may not share a netfilter priority', () => {
    const options = {
      family: 'ipv4',
      hook: 'output',
      priority: 7,
      netns: netns.path,
    } as const;
    attached(object.program('on_netfilter').attachNetfilter(options));
    bpfErrorOf(() => object.program('on_netfilter').attachNetfilter(options), 'EBUSY');
  });

  test('runs at a tcx hook of a device in another namespace', () => {
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

  test('outlives, as a link, the device it was attached to', () => {
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

  test('attaches by fentry, or says that the kernel forbids it', () => {
    object.close();
    object = BpfObject.open(compileProgram('sample'));
    object.program('on_entry').setAutoload(true);
    const { fentry } = probe();
    if (fentry.available) {
      object.load();
      const link = attached(object.program('on_entry').attachBtf());
      expect(link.kind).toBe('btf');
      expect(link.info().programId).toBe(object.program('on_entry').info().id);
    } else {
      const error = bpfErrorOf(() => {
        object.load();
        object.program('on_entry').attachBtf();
      }, fentry.reason?.split(' ')[0] ?? '');
      expect(error.errno).toBeGreaterThan(0);
      expect(error.log).toContain('on_entry');
    }
  });

  test('names what it cannot be attached to', () => {
    const netfilter = object.program('on_netfilter');
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
    bpfErrorOf(
      () => object.program('on_tcx').attachTcx({ ifindex: 9999, direction: 'ingress' }),
      'ENODEV',
    );
    // A program of another type.
    bpfErrorOf(() => object.program('on_tcx').attachNetfilter(place), 'EINVAL');
  });

  test('refuses options of the wrong kind before the kernel sees them', () => {
    const netfilter = object.program('on_netfilter');
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
