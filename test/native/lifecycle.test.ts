import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BpfObject, RingBuffer } from 'ebpf-ts';
import { expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';
import { features } from './kernel-feature.js';
import { bpfDescriptors, openDescriptors, programExists, programGone } from './kernel-state.js';

const script = (name: string): string =>
  fileURLToPath(new URL(`children/${name}.mjs`, import.meta.url));

function runScript(name: string, ...nodeOptions: string[]): unknown {
  const output = execFileSync(
    process.execPath,
    [...nodeOptions, script(name), compileProgram('sample')],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  return JSON.parse(output);
}

describeAsRoot('the life of handles', () => {
  test('closing twice is closing once', () => {
    const object = BpfObject.open(compileProgram('sample'));
    object.load();
    const ring = new RingBuffer(object.map('ring'));
    ring.close();
    ring.close();
    ring[Symbol.dispose]();
    object.close();
    object.close();
    object[Symbol.dispose]();
    expect([ring.closed, object.closed]).toEqual([true, true]);
  });

  test('every use after close is refused', () => {
    const object = BpfObject.open(compileProgram('sample'));
    object.load();
    const program = object.program('on_raw');
    const map = object.map('table');
    object.close();
    const place = { family: 'ipv4', hook: 'input', priority: 0 } as const;
    for (const use of [
      () => object.load(),
      () => object.setConstant('wide', 1),
      () => object.setMapMaxEntries('table', 1),
      () => program.info(),
      () => program.run(),
      () => program.setAutoload(true),
      () => program.setType('xdp'),
      () => program.setAttachTarget('kfree_skb'),
      () => program.attachRawTracepoint('sys_enter'),
      () => program.attachTracepoint('sched', 'sched_switch'),
      () => program.attachBtf(),
      () => program.attachNetfilter(place),
      () => program.attachTcx({ ifindex: 1, direction: 'ingress' }),
      () => map.get(new Uint8Array(4)),
      () => map.delete(new Uint8Array(4)),
      () => map.valueBytes,
      () => [...map.keys()],
      () => [...map.entries()],
      () => map.readBatch(),
      () => new RingBuffer(object.map('ring')),
    ]) {
      bpfErrorOf(use, 'BPF_CLOSED');
    }
  });

  test('a failed load or attach leaves no descriptor', () => {
    const before = bpfDescriptors();
    for (let i = 0; i < 20; i++) {
      const object = BpfObject.open(compileProgram('refused'));
      bpfErrorOf(() => object.load(), 'EACCES');
      object.close();
    }
    const object = BpfObject.open(compileProgram('sample'));
    object.load();
    const loaded = openDescriptors().length;
    for (let i = 0; i < 20; i++) {
      const place = { family: 'ipv4', hook: 'input', priority: 0 } as const;
      bpfErrorOf(
        () => object.program('on_tcx').attachNetfilter({ ...place, netns: '/etc/hostname' }),
        'EINVAL',
      );
      bpfErrorOf(
        () => object.program('on_tcx').attachTracepoint('sched', 'sched_switch'),
        'EINVAL',
      );
      bpfErrorOf(() => new RingBuffer(object.map('table')), 'BPF_BAD_ARGUMENT');
    }
    expect(openDescriptors().length).toBe(loaded);
    object.close();
    expect(bpfDescriptors()).toBe(before);
  });

  test('10,000 objects opened and closed leave no descriptor and little memory', () => {
    const path = compileProgram('sample');
    const cycle = (load: boolean): void => {
      const object = BpfObject.open(path);
      if (load) {
        object.load();
        object.program('on_raw').attachRawTracepoint('sys_enter').close();
        new RingBuffer(object.map('ring')).close();
      }
      object.close();
    };
    for (let i = 0; i < 500; i++) cycle(i % 100 === 0);
    const descriptors = openDescriptors().length;
    const resident = process.memoryUsage.rss();
    for (let i = 0; i < 10_000; i++) cycle(i % 100 === 0);
    expect(openDescriptors().length).toBe(descriptors);
    expect(process.memoryUsage.rss() - resident).toBeLessThan(64 * 2 ** 20);
  });

  test('collected handles are closed, and an object lives while its programs do', () => {
    expect(runScript('abandon', '--expose-gc')).toEqual({
      before: { descriptors: 18, mappings: 2 },
      partly: { descriptors: 13, works: 3 },
      after: { descriptors: 0, mappings: 0 },
    });
  });

  test('Workers that end in any way leave nothing behind', () => {
    const result = runScript('workers') as {
      rounds: { ending: string; held: number; left: number; mappings: number }[];
      left: number;
    };
    expect(result.left).toBe(0);
    expect(result.rounds.map((round) => round.ending)).toEqual([
      'terminate',
      'busy',
      'end',
      'throw',
    ]);
    for (const round of result.rounds) {
      expect(round.held).toBeGreaterThan(10);
      expect([round.left, round.mappings]).toEqual([0, 0]);
    }
  });

  test.each(['exit', 'throw', 'end', 'SIGTERM', 'SIGKILL'] as const)(
    'programs are gone when the process ends by %s',
    async (ending) => {
      const objects = [compileProgram('sample'), compileProgram('netfilter')];
      const child = spawn(process.execPath, [script('hold'), ...objects], {
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      try {
        const exit = once(child, 'exit');
        const lines = createInterface({ input: child.stdout });
        const [line] = (await once(lines, 'line')) as [string];
        const ids = JSON.parse(line) as number[];
        const newer = [features.tcx, features.netfilterLink].filter((each) => each.available);
        expect(ids.length).toBe(3 + newer.length);
        for (const id of ids) expect(programExists(id)).toBe(true);
        if (ending === 'SIGTERM' || ending === 'SIGKILL') child.kill(ending);
        else child.stdin.write(`${ending}\n`);
        await exit;
        for (const id of ids) expect(await programGone(id), `program ${id}`).toBe(true);
      } finally {
        child.kill('SIGKILL');
      }
    },
  );
});
