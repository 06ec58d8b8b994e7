import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type CapabilityName, confine } from 'ebpf-ts';
import { expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';
import { createNetworkNamespace } from './network-namespace.js';

const CHILD = fileURLToPath(new URL('children/confined.mjs', import.meta.url));
const USER = 61_999;
const NETNS = 'ebpf-ts-confine';

interface Report {
  readonly value: number;
  readonly drained: number;
  readonly threads: readonly string[];
  readonly child: string;
  readonly outcomes: Readonly<Record<string, string>>;
}

function run(user: string, keep: readonly CapabilityName[]): Report {
  const netns = createNetworkNamespace(NETNS);
  try {
    const args = [CHILD, compileProgram('ring'), user, keep.join(','), netns.path];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`status ${status}: ${stderr}`);
    return JSON.parse(stdout) as Report;
  } finally {
    netns.remove();
  }
}

test('what is no confinement is an error, and nothing is given up', () => {
  const bad = [
    { user: 0, keep: [], filter: false },
    { user: 2 ** 32, keep: [], filter: false },
    { keep: ['CAP_EVERYTHING' as CapabilityName], filter: false },
    { keep: [], filter: 1 as unknown as boolean },
  ];
  for (const each of bad) bpfErrorOf(() => confine(each), 'BPF_BAD_ARGUMENT');
});

describeAsRoot('a process that is confined', () => {
  test('reads what was handed over, as another user, and can do nothing else', () => {
    const { value, drained, threads, child, outcomes } = run(String(USER), []);
    expect({ value, drained }).toEqual({ value: 7, drained: 0 });
    expect(threads.length).toBeGreaterThan(5);
    for (const status of [...threads, child]) {
      expect(status).toMatch(new RegExp(`^Uid:\\s${USER}\\s${USER}\\s${USER}\\s${USER}$`, 'mu'));
      expect(status).toMatch(/^CapPrm:\s0+$/mu);
      expect(status).toMatch(/^CapEff:\s0+$/mu);
      expect(status).toMatch(/^NoNewPrivs:\s1$/mu);
      expect(status).toMatch(/^Seccomp:\s2$/mu);
    }
    expect(outcomes).toEqual({
      put: 'EPERM',
      load: 'EPERM',
      run: 'EINVAL',
      netns: 'EPERM',
      secret: 'EACCES',
      write: 'EACCES',
      user: 'EPERM',
      kill: 'EPERM',
    });
  });

  test('keeps the capabilities that it should, in every thread, as the same user', () => {
    const { threads, child, outcomes } = run('', ['CAP_BPF', 'CAP_SYS_ADMIN']);
    for (const status of [...threads, child]) {
      expect(status).toMatch(/^Uid:\s0\s/mu);
      expect(status).toMatch(/^CapPrm:\s0000008000200000$/mu);
      expect(status).toMatch(/^Seccomp:\s0$/mu);
    }
    expect(outcomes).toMatchObject({ put: 'done', netns: 'done', user: 'done' });
  });
});
