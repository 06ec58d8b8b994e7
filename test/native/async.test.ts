import { execFileSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BpfError, BpfObject, type Link, type TcxOptions } from 'ebpf-ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';
import { testWith } from './kernel-feature.js';
import { bpfDescriptors, programGone } from './kernel-state.js';
import { createNetworkNamespace, type NetworkNamespace } from './network-namespace.js';

/** The code with which a promise is rejected, and its operation. */
async function failureOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    return `${error.operation} ${error.code}`;
  }
  return 'none';
}

/** Whether the event loop turns before the promise is settled. */
async function loopTurns(promise: Promise<unknown>): Promise<boolean> {
  let turns = 0;
  let isSettled = false;
  const settled = promise.finally(() => {
    isSettled = true;
  });
  while (!isSettled) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!isSettled) turns += 1;
  }
  await settled;
  return turns > 1;
}

describeAsRoot('on another thread', () => {
  let object: BpfObject;
  let links: Link[];
  let netns: NetworkNamespace;
  let place: TcxOptions;

  beforeAll(() => {
    netns = createNetworkNamespace('ebpf-ts-async');
    place = { ifindex: 1, direction: 'ingress', netns: netns.path };
  });
  afterAll(() => netns.remove());
  beforeEach(async () => {
    links = [];
    object = BpfObject.open(compileProgram('sample'));
    await object.loadAsync();
  });
  afterEach(async () => {
    await Promise.all(links.map((link) => link.closeAsync()));
    object.close();
  });

  const attached = async (promise: Promise<Link>): Promise<Link> => {
    const link = await promise;
    links.push(link);
    return link;
  };
  const counted = (): number => {
    const value = object.map('counters').get(new Uint8Array(Uint32Array.of(1).buffer));
    return value === null ? 0 : Number(new DataView(value.buffer).getBigUint64(0, true));
  };
  const pingInside = (): string => netns.run('ping', '-c', '3', '-i', '0.05', '127.0.0.1');

  test('an object loads while the event loop turns', async () => {
    const other = BpfObject.open(compileProgram('sample'));
    const loading = other.loadAsync();
    expect(other.loaded).toBe(false);
    expect(await loopTurns(loading)).toBe(true);
    expect(other.loaded).toBe(true);
    expect(other.program('on_raw').info().id).toBeGreaterThan(0);
    other.close();
  });

  test('an object that is being loaded can only be closed', async () => {
    const before = bpfDescriptors();
    const other = BpfObject.open(compileProgram('sample'));
    const loading = other.loadAsync();
    bpfErrorOf(() => other.program('on_raw').info(), 'BPF_NOT_LOADED');
    bpfErrorOf(() => other.map('table').get(new Uint8Array(4)), 'BPF_NOT_LOADED');
    bpfErrorOf(() => other.setConstant('wide', 1), 'BPF_NOT_LOADED');
    expect(await failureOf(other.loadAsync())).toBe('load BPF_NOT_LOADED');
    other.close();
    expect(await failureOf(loading)).toBe('load BPF_CLOSED');
    expect(other.loaded).toBe(false);
    expect(bpfDescriptors()).toBe(before);
  });

  test('a load fails as it does on the calling thread, with the verifier’s log', async () => {
    const refused = BpfObject.open(compileProgram('refused'));
    const error = await refused.loadAsync().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'BpfError', operation: 'load', code: 'EACCES' });
    expect((error as BpfError).log).toContain('careless');
    expect(await failureOf(refused.loadAsync())).toBe('load BPF_LOADED');
    refused.close();
    expect(await failureOf(refused.loadAsync())).toBe('load BPF_CLOSED');
  });

  testWith('tcx')('a link is made in another namespace, and nobody moves there', async () => {
    const here = readlinkSync('/proc/thread-self/ns/net');
    const program = object.program('on_tcx');
    const [ingress, egress] = await Promise.all([
      attached(program.attachTcxAsync(place)),
      attached(program.attachTcxAsync({ ...place, direction: 'egress', position: 'first' })),
    ]);
    expect([ingress?.kind, ingress?.info().tcx]).toEqual(['tcx', { ifindex: 1, attachType: 46 }]);
    expect(await egress?.infoAsync()).toEqual(egress?.info());
    pingInside();
    expect(counted()).toBe(12);
    expect(readlinkSync('/proc/thread-self/ns/net')).toBe(here);
    // All threads of the process, those of libuv's pool among them.
    const namespaces = execFileSync(
      'sh',
      ['-c', `for t in /proc/${process.pid}/task/*/ns/net; do readlink $t; done`],
      { encoding: 'utf8' },
    );
    expect(new Set(namespaces.trim().split('\n'))).toEqual(new Set([here]));
  });

  testWith('tcx')('the event loop turns while a link is made and closed', async () => {
    const program = object.program('on_tcx');
    let link: Link | null = null;
    const making = program.attachTcxAsync(place).then((made) => {
      link = made;
    });
    expect(await loopTurns(making)).toBe(true);
    const made = link as Link | null;
    expect(await loopTurns(made?.closeAsync() ?? Promise.resolve())).toBe(true);
  });

  testWith('tcx')('a link is made though its object is closed meanwhile', async () => {
    const { id } = object.program('on_tcx').info();
    const making = attached(object.program('on_tcx').attachTcxAsync(place));
    object.close();
    const link = await making;
    expect(link.info().programId).toBe(id);
    await link.closeAsync();
    expect(await programGone(id)).toBe(true);
  });

  testWith('tcx')('a link is closed at once for whoever has it, and once', async () => {
    const link = await object.program('on_tcx').attachTcxAsync(place);
    const closing = link.closeAsync();
    expect(link.closed).toBe(true);
    bpfErrorOf(() => link.info(), 'BPF_CLOSED');
    expect(await failureOf(link.infoAsync())).toBe('info BPF_CLOSED');
    link.close();
    expect(link.closeAsync()).toBe(closing);
    await closing;
    pingInside();
    expect(counted()).toBe(0);
    await link.closeAsync();
  });

  test('links of other kinds are closed too', async () => {
    const raw = object.program('on_raw').attachRawTracepoint('sys_enter');
    const packet = object.program('on_receive').attachBtf();
    const before = bpfDescriptors();
    await Promise.all([raw.closeAsync(), packet.closeAsync()]);
    expect(bpfDescriptors()).toBe(before - 2);
    const synchronous = object.program('on_raw').attachRawTracepoint('sys_enter');
    synchronous.close();
    await synchronous.closeAsync();
  });

  testWith('tcx')('a link fails with the same codes as on the calling thread', async () => {
    const program = object.program('on_tcx');
    const before = bpfDescriptors();
    const results = await Promise.all([
      failureOf(program.attachTcxAsync({ ...place, ifindex: 9999 })),
      failureOf(program.attachTcxAsync({ ...place, netns: '/run/netns/ebpf-ts-none' })),
      failureOf(program.attachTcxAsync({ ...place, netns: '/etc/hostname' })),
      failureOf(object.program('on_raw').attachTcxAsync(place)),
      failureOf(program.attachTcxAsync({ ...place, ifindex: 0 })),
      failureOf(program.attachTcxAsync(null as never)),
    ]);
    expect(results).toEqual([
      'attachTcx ENODEV',
      'attachTcx ENOENT',
      'attachTcx EINVAL',
      'attachTcx EINVAL',
      'attachTcx BPF_BAD_ARGUMENT',
      'attachTcx BPF_BAD_ARGUMENT',
    ]);
    const other = BpfObject.open(compileProgram('sample'));
    expect(await failureOf(other.program('on_tcx').attachTcxAsync(place))).toBe(
      'attachTcx BPF_NOT_LOADED',
    );
    other.close();
    expect(await failureOf(other.program('on_tcx').attachTcxAsync(place))).toBe(
      'attachTcx BPF_CLOSED',
    );
    expect(bpfDescriptors()).toBe(before);
  });

  testWith('tcx')('Workers that end in the midst of it leave nothing behind', () => {
    const script = fileURLToPath(new URL('children/workers-async.mjs', import.meta.url));
    const output = execFileSync(process.execPath, [script, compileProgram('sample'), netns.path], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const rounds = JSON.parse(output) as { work: string; left: number }[];
    expect(rounds.map(({ work, left }) => `${work} ${left}`)).toEqual([
      ...['load 0', 'attach 0', 'close 0'],
      ...['load 0', 'attach 0', 'close 0'],
    ]);
  });
});
