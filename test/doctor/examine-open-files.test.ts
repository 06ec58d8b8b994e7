import { expect, test } from 'vitest';
import {
  OPEN_FILES_LEAST,
  openFilesFinding,
  openFilesLimit,
} from '../../src/doctor/examine-open-files.js';

test('reads the soft limit', () => {
  const line = (soft: string) => `Max open files            ${soft}     1048576     files\n`;
  expect(openFilesLimit(line('1024'))).toBe(1024);
  expect(openFilesLimit(line('unlimited'))).toBeNull();
  expect(openFilesLimit('')).toBeNull();
});

test('each namespace takes some', () => {
  const wanted = openFilesFinding(1, 10).detail;
  expect(wanted).toBe('limit 1, 10 network namespaces take up to 432');
  expect(openFilesFinding(432, 10)).toMatchObject({ state: 'available', remedy: null });
  expect(openFilesFinding(431, 10)).toMatchObject({ state: 'absent', need: 'wanted' });
  expect(openFilesFinding(null, 10).state).toBe('available');
});

test('with too few for its programs nothing can be traced', () => {
  const at = (limit: number) => openFilesFinding(limit, 10).need;
  expect([at(OPEN_FILES_LEAST - 1), at(OPEN_FILES_LEAST)]).toEqual(['required', 'wanted']);
});

test('the remedy is a limit that is enough', () => {
  expect(openFilesFinding(1024, 10_000).remedy).toContain('ulimit -n 262144');
  expect(openFilesFinding(100, 1).remedy).toContain('ulimit -n 4096');
});
