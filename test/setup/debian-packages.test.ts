import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  isDebian,
  isPresent,
  missingDebianPackages,
  SYSTEM_NEEDS,
} from '../../src/setup/debian-packages.mjs';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hopscope-setup-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function osRelease(text: string): string {
  const file = join(folder, 'os-release');
  writeFileSync(file, text);
  return file;
}

describe('isDebian', () => {
  test('takes the ID alone, with or without quotes', () => {
    expect(isDebian(osRelease('NAME="Debian"\nID=debian\nVERSION_ID="12"\n'))).toBe(
      isPresent('apt-get'),
    );
    expect(isDebian(osRelease('ID="debian"\n'))).toBe(isPresent('apt-get'));
  });

  test('a relative of Debian is not Debian', () => {
    expect(isDebian(osRelease('ID=ubuntu\nID_LIKE=debian\n'))).toBe(false);
    expect(isDebian(osRelease('ID=fedora\n'))).toBe(false);
  });

  test('no file is no Debian', () => {
    expect(isDebian(join(folder, 'absent'))).toBe(false);
  });
});

test.skipIf(!isDebian())('names what dpkg does not have, in the order asked', async () => {
  const names = ['hopscope-no-such-a', 'dpkg', 'hopscope-no-such-b', 'libc6'];
  expect(await missingDebianPackages(names)).toEqual(['hopscope-no-such-a', 'hopscope-no-such-b']);
});

test('a file and a command are both evidence', () => {
  expect(isPresent('sh')).toBe(true);
  expect(isPresent('/proc/self/stat')).toBe(true);
  expect(isPresent('hopscope-no-such-command')).toBe(false);
  expect(isPresent('/hopscope/no/such/file')).toBe(false);
});

test('each need is listed once, with a reason and evidence', () => {
  const names = SYSTEM_NEEDS.map((need) => need.package);
  expect(new Set(names).size).toBe(names.length);
  for (const need of SYSTEM_NEEDS) {
    expect(need.why).not.toBe('');
    expect(need.evidence.length).toBeGreaterThan(0);
  }
});

test.skipIf(!isDebian())('the evidence agrees with dpkg on this machine', async () => {
  const missing = new Set(await missingDebianPackages(SYSTEM_NEEDS.map((need) => need.package)));
  for (const need of SYSTEM_NEEDS.filter((each) => !missing.has(each.package))) {
    expect(need.evidence.some(isPresent), need.package).toBe(true);
  }
});
