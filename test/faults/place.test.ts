import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { afterMounting, hopscopeUnder } from '../doctor/examined.js';
import { sceneInFolder } from './faulty-scene.js';
import { outcome } from './outcome.js';

const { scene, folder } = sceneInFolder();

test('a root that is read-only', async () => {
  const readOnly =
    'mount --bind / / && mount -o remount,ro,bind / && mount -o remount,ro,bind /tmp';
  const wrapper = afterMounting(readOnly.replace(/ && mount -o remount,ro,bind \/tmp$/, ''));
  await scene.expectCounted(await scene.ready(['flows', '--json'], wrapper), 5200);
  const refused = hopscopeUnder(wrapper, ['record', '/a.hops', '--duration', '1s']);
  expect(refused.status).toBe(1);
  expect(refused.err).toMatch(/EROFS.*\[RECORDING_NOT_WRITABLE\]/);
  expect(existsSync('/a.hops')).toBe(false);
  outcome('read-only root', 'counts exactly; record: status 1, RECORDING_NOT_WRITABLE');
});

test('a kernel without type information', async () => {
  mkdirSync(join(folder(), 'empty'));
  const wrapper = afterMounting(`mount --bind ${folder()}/empty /sys/kernel/btf`);
  const one = scene.begin(['serve', '--port', '0'], wrapper);
  expect(await one.ended()).toBe(3);
  expect(one.err).toMatch(/BTF.*\[KERNEL_NOT_SUPPORTED\]\n {2}.*CONFIG_DEBUG_INFO_BTF/);
  await one.expectNothingLeft();
  outcome('no type information (BTF)', 'status 3, KERNEL_NOT_SUPPORTED with the option to build');
});
