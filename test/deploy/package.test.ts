import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hs-package-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('npm pack gives what installs and runs without the checkout', async () => {
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT });
  const [tarball = ''] = readdirSync(folder);
  expect(tarball).toMatch(/^hopscope-\d+\.\d+\.\d+\.tgz$/u);
  expect(statSync(join(folder, tarball)).size).toBeLessThan(8 << 20);
  const prefix = join(folder, 'prefix');
  const install = [
    'install',
    '-g',
    '--prefix',
    prefix,
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
  ];
  await run('npm', [...install, join(folder, tarball)], { cwd: folder });
  const hopscope = join(prefix, 'bin', 'hopscope');
  const { stdout: manifest } = await run(hopscope, ['manifest'], { cwd: folder });
  const kinds = parseAllDocuments(manifest).map((each) => each.get('kind'));
  expect(kinds).toContain('DaemonSet');
  const doctor = await run(hopscope, ['doctor', '--json'], { cwd: folder }).catch(
    // Status 3: this machine or this user may lack something, which it says.
    (error: { stdout: string }) => error,
  );
  expect(JSON.parse(doctor.stdout)).toMatchObject({ type: 'doctor', node: process.version });
}, 120_000);
