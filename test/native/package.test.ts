import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { testWith } from './kernel-feature.js';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The packet that is looked for: 1234 bytes of data, 8 of ICMP and 20 of IPv4. */
const DATA = '1234';
const LENGTH = 1262;

describeAsRoot('the package, installed in an empty folder', () => {
  let folder = '';

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ebpf-ts-package-'));
    const packing = ['pack', '-w', 'ebpf-ts', '--ignore-scripts', '--pack-destination', folder];
    await run('npm', packing, { cwd: ROOT });
    const [tarball = ''] = readdirSync(folder);
    expect(tarball).toMatch(/^ebpf-ts-\d+\.\d+\.\d+\.tgz$/u);
    const user = join(folder, 'user');
    mkdirSync(user);
    writeFileSync(join(user, 'package.json'), '{"private":true,"type":"module"}');
    const options = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'];
    await run('npm', ['install', ...options, join(folder, tarball)], { cwd: user });
    cpSync(join(user, 'node_modules/ebpf-ts/examples'), user, { recursive: true });
  }, 120_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** What an example prints in a network namespace of its own, where pings go on until it ends. */
  async function output(example: string): Promise<string[]> {
    const ping = `ping -c 3 -i 0.1 -W 0.2 -s ${DATA} 127.0.0.1 >/dev/null`;
    const node = `'${process.execPath}' ${example}.mjs --device lo --seconds 2`;
    const script = `ip link set lo up; ${node} & n=$!; while kill -0 $n 2>/dev/null; do ${ping}; done; wait $n`;
    const { stdout } = await run('unshare', ['--net', 'sh', '-c', script], {
      cwd: join(folder, 'user'),
    });
    return stdout.trim().split('\n');
  }

  test('count-packets counts what is received', async () => {
    const [line = ''] = (await output('count-packets')).slice(-1);
    expect(Number(/^(\d+) packets received$/u.exec(line)?.[1])).toBeGreaterThan(0);
  });

  test('trace-execve prints what is started', async () => {
    expect(await output('trace-execve')).toContainEqual(expect.stringMatching(/^\d+ ping$/u));
  });

  test('ring-buffer prints lengths', async () => {
    expect(await output('ring-buffer')).toContain(`${LENGTH} bytes`);
  });

  testWith('tcx')('tcx-drops drops every second packet', async () => {
    const [line = ''] = (await output('tcx-drops')).slice(-1);
    expect(Number(/^(\d+) packets dropped$/u.exec(line)?.[1])).toBeGreaterThan(0);
  });

  testWith('netfilterLink')('netfilter-link counts what passes INPUT', async () => {
    const [line = ''] = (await output('netfilter-link')).slice(-1);
    expect(Number(/^(\d+) packets passed$/u.exec(line)?.[1])).toBeGreaterThan(0);
  });
});
