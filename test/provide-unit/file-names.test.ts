import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { FileNames } from '../../src/provide/file-names.js';

const folder = mkdtempSync(join(tmpdir(), 'hs-names-'));
const path = join(folder, 'names.json');
afterAll(() => rmSync(folder, { recursive: true }));

const FOUND = [
  { netns: 1, inode: 11, owner: 0, name: 'blue', path: '/run/netns/blue' },
  { netns: 2, inode: 4026532341, owner: 0, name: null, path: '/proc/7/ns/net' },
];

function write(value: unknown): void {
  writeFileSync(`${path}.new`, typeof value === 'string' ? value : JSON.stringify(value));
  renameSync(`${path}.new`, path);
}

it('is followed; one with a fault leaves what the last good one said, and says so', async () => {
  write({
    namespaces: [
      { netns: 'blue', name: 'web' },
      { netns: 4026532341, name: 'db' },
    ],
  });
  const names = new FileNames(path);
  const onNews = vi.fn();
  names.watch(onNews);
  const named = async () => (await names.read(FOUND)).namespaces;
  expect(await named()).toEqual([
    { netns: 1, name: 'web' },
    { netns: 2, name: 'db' },
  ]);
  write({ namespaces: [{ netns: 'blue', name: 'shop' }] });
  await vi.waitFor(() => expect(onNews).toHaveBeenCalled());
  expect(await named()).toEqual([{ netns: 1, name: 'shop' }]);
  write('{');
  expect(await named()).toEqual([{ netns: 1, name: 'shop' }]);
  expect(names.missing).toEqual([expect.stringMatching(/names\.json: it is not JSON/u)]);
  write({});
  expect(await named()).toEqual([]);
  expect(names.missing).toEqual([]);
  rmSync(path);
  await named();
  expect(names.missing).toEqual([expect.stringMatching(/ENOENT/u)]);
  names.close();
});

it('is refused at the start with a code', () => {
  expect(() => new FileNames(join(folder, 'none'))).toThrow(
    expect.objectContaining({ code: 'NAMES_FILE_UNREADABLE' }),
  );
  write('[]');
  expect(() => new FileNames(path)).toThrow(
    expect.objectContaining({ code: 'NAMES_FILE_INVALID' }),
  );
});
