import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Diagnosis } from '../../src/doctor/diagnosis.js';
import { ROOT } from '../../src/setup/bootstrap.mjs';

function doctor(args: string[], wrapper: string[] = [], checkout = ROOT) {
  const main = join(checkout, 'dist', 'cli', 'main.js');
  const [command = '', ...rest] = [...wrapper, process.execPath, main, 'doctor', ...args];
  return spawnSync(command, rest, { encoding: 'utf8' });
}

/** Root in name, without a single capability. */
const POWERLESS = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'];

describe('as root', () => {
  test('--json is one object on one line, status 0', () => {
    const { status, stdout, stderr } = doctor(['--json']);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    const diagnosis = JSON.parse(stdout) as Diagnosis;
    expect(diagnosis).toMatchObject({ type: 'doctor', canTrace: true, node: process.version });
    for (const each of diagnosis.findings) {
      expect(['available', 'absent', 'unknown']).toContain(each.state);
      if (each.state === 'absent') expect(each.consequence).not.toBe('');
    }
  });

  test('the report for people has a line for each finding and ends with the sum', () => {
    const json = JSON.parse(doctor(['--json']).stdout) as Diagnosis;
    const { status, stdout } = doctor([]);
    expect(status).toBe(0);
    for (const each of json.findings) expect(stdout).toContain(each.title);
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^Packets can be traced here, with /);
  });
});

describe('without privileges', () => {
  test('status 3, with reason and remedy on standard error', () => {
    const { status, stdout, stderr } = doctor(['--json'], POWERLESS);
    expect(status).toBe(3);
    expect((JSON.parse(stdout) as Diagnosis).canTrace).toBe(false);
    expect(stderr).toContain('CAP_BPF');
    expect(stderr).toContain('run as root');
  });

  test('what could not be tried is unknown, not absent', () => {
    const { stdout } = doctor(['--json'], POWERLESS);
    const { findings } = JSON.parse(stdout) as Diagnosis;
    const states = new Map(findings.map((each) => [each.id, each.state]));
    expect(states.get('netfilter-link')).toBe('unknown');
    expect(states.get('device-veth')).toBe('unknown');
    expect(states.get('cap-bpf')).toBe('absent');
  });
});

describe('where the native package is missing', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hopscope-doctor-'));
    cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('the doctor says so, with the remedy, instead of falling over', () => {
    const { status, stdout, stderr } = doctor(['--json'], [], folder);
    expect(status).toBe(3);
    expect(stderr).toContain('npm run build');
    const { findings } = JSON.parse(stdout) as Diagnosis;
    expect(findings.find(({ id }) => id === 'native')?.state).toBe('absent');
  });
});

test('an option it does not have is status 2, named', () => {
  const { status, stdout, stderr } = doctor(['--jsno']);
  expect(status).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toContain('--jsno');
});

test('--help says what it does, status 0', () => {
  const { status, stdout } = doctor(['--help']);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^hopscope doctor/);
});
