import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withProbe } from '../../src/lab/capability.js';
import { labDown } from '../../src/lab/down.js';
import { programFile } from '../../src/lab/process-control.js';
import { labUp } from '../../src/lab/up.js';

interface Run {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], user?: number, program = programFile('command')) {
  const main = `import(${JSON.stringify(program)})
    .then((lab) => lab.runLab(process.argv.slice(1)))
    .then((status) => process.exit(status))`;
  return spawn(process.execPath, ['-e', main, '--', ...args], {
    // Nobody may not be allowed where this process stands.
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
}

async function lab(args: readonly string[], user?: number, program?: string): Promise<Run> {
  const child = start(args, user, program);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, out, err };
}

describe('bad usage', () => {
  it.each([
    [[]],
    [['sideways']],
    [['up', '--encap', 'gre']],
    [['up', '--proxy', 'envoy']],
    [['up', '--pod-mtu', '12']],
    [['up', '--subnets', '3']],
    [['up', '--no-such-option']],
    [['up', 'extra']],
    [['down', '--encap', 'none']],
    [['traffic', '--duration', 'soon']],
    [['policy']],
    [['policy', 'maybe']],
  ])('%j ends with status 2 and says where help is', async (args) => {
    const { status, out, err } = await lab(args);
    expect(status).toBe(2);
    expect(out).toBe('');
    expect(err).toContain('hopscope lab --help');
  });

  it('--help ends with status 0', async () => {
    for (const args of [['--help'], ['up', '--help'], ['traffic', '-h']]) {
      const { status, out } = await lab(args);
      expect(status).toBe(0);
      expect(out).toContain('--encap ipip|vxlan|wireguard|none');
    }
  });
});

describe('without a lab', () => {
  it.each([[['traffic', '--once']], [['policy', 'on']]])('%j says so', async (args) => {
    const { status, err } = await lab(args);
    expect(status).toBe(1);
    expect(err).toContain('LAB_NOT_UP');
  });

  it('status --json prints null, and down is content', async () => {
    expect(await lab(['status', '--json'])).toMatchObject({ status: 0, out: 'null\n' });
    expect(await lab(['down'])).toMatchObject({ status: 0, err: 'no lab was up\n' });
  });
});

it('up without root ends with status 3 and the remedy', async () => {
  // Root's own checkout may be closed to others, so nobody gets a copy to run.
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-lab-'));
  try {
    chmodSync(folder, 0o755);
    const built = join(dirname(programFile('command')), '..');
    for (const part of ['lab', 'model', 'packet', 'provide', 'source']) {
      cpSync(join(built, part), join(folder, part), { recursive: true });
    }
    for (const name of ['hopscope-protocol', 'valibot']) {
      const target = join(folder, 'node_modules', name);
      cpSync(join(built, '../node_modules', name), target, { recursive: true, dereference: true });
    }
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const { status, err } = await lab(['up'], 65534, join(folder, 'lab', 'command.js'));
    expect(status).toBe(3);
    expect(err).toMatch(/root/);
    expect(err).toMatch(/^Remedy: /m);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

describe('modes', () => {
  it('names what the kernel lacks with status 3, or brings the lab up', async () => {
    const reasons = await withProbe(async (probe) => ({
      ipip: await probe.encap('ipip'),
      wireguard: await probe.encap('wireguard'),
    }));
    for (const [mode, reason] of Object.entries(reasons)) {
      const { status, err } = await lab(['up', '--encap', mode]);
      if (reason === null) {
        expect(status).toBe(0);
        expect((await lab(['down'])).status).toBe(0);
      } else {
        expect(status).toBe(3);
        expect(err).toContain(`encapsulation ${mode}`);
        expect(err).toMatch(/^Remedy: .*CONFIG_/m);
      }
    }
  });

  it('picks the encapsulation itself and says so', async () => {
    const { status, err } = await lab(['up']);
    expect(status).toBe(0);
    expect(err).toMatch(/no ipip .*using vxlan\n.*encapsulation vxlan|encapsulation ipip/);
    expect((await lab(['status', '--json'])).out).toMatch(/"encap":"(vxlan|ipip)"/);
    expect((await lab(['down'])).status).toBe(0);
  });
});

describe('traffic', () => {
  beforeAll(async () => {
    await labUp({ encap: 'vxlan' });
  });
  afterAll(async () => {
    await labDown();
  });

  it('--once tries every kind, all as they must', async () => {
    const { status, out } = await lab(['traffic', '--once', '--json']);
    expect(status).toBe(0);
    const { activities } = JSON.parse(out) as { activities: { tries: number }[] };
    expect(activities.length).toBeGreaterThan(10);
    expect(activities.filter(({ tries }) => tries !== 1)).toEqual([]);
  });

  it('--once under the policy finds the denied denied', async () => {
    expect((await lab(['policy', 'on'])).status).toBe(0);
    const { status, out } = await lab(['traffic', '--once', '-q', '--json']);
    expect((await lab(['policy', 'off'])).status).toBe(0);
    expect(status).toBe(0);
    expect(out).toContain('"name":"ping pod3","expect":"silence","tries":1,"answered":0');
  });

  it('goes on for --duration, a line of progress a second', async () => {
    const started = performance.now();
    const { status, out, err } = await lab(['traffic', '--duration', '2500ms', '--json']);
    const took = performance.now() - started;
    expect(status).toBe(0);
    expect(took).toBeGreaterThan(2400);
    expect(took).toBeLessThan(30_000);
    expect(err).toMatch(/^(\d+ s: \d+ answered, .*\n){1,3}$/);
    const { bytes, activities } = JSON.parse(out) as {
      bytes: number;
      activities: { name: string; expect: string; tries: number; answered: number }[];
    };
    expect(bytes).toBeGreaterThan(1 << 20);
    for (const { expect: must, tries, answered } of activities) {
      expect(answered).toBe(must === 'answer' ? tries : 0);
    }
  });

  it('stops at an interrupt with status 0 and leaves no process', async () => {
    const child = start(['traffic']);
    await once(child.stderr, 'data');
    child.kill('SIGINT');
    const [status] = (await once(child, 'close')) as [number | null];
    expect(status).toBe(0);
    const pids = execFileSync('ip', ['netns', 'pids', 'pod1'], { encoding: 'utf8' });
    expect(pids.trim()).toBe('');
  });

  it('ends with status 1 when the lab goes away under it', async () => {
    const child = start(['traffic']);
    let err = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    await once(child.stderr, 'data');
    const closed = once(child, 'close') as Promise<[number | null]>;
    await labDown();
    expect((await closed)[0]).toBe(1);
    expect(err).toContain('LAB_TRAFFIC_ENDED');
  });
});
