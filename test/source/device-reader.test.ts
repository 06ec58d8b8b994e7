import { afterAll, beforeAll, expect, it } from 'vitest';
import { ipBatch, runCommand } from '../../src/lab/run-command.js';
import { countedDevices } from '../../src/source/counted-devices.js';
import { readDevices } from '../../src/source/device-reader.js';
import { NamespaceWatcher } from '../../src/source/namespace-watcher.js';
import {
  A,
  B,
  countedDevice,
  ifindexOf,
  makeCountedRouter,
  numberOf,
  ROUTER,
  removeCountedRouter,
} from './counted-router.js';

beforeAll(makeCountedRouter);
afterAll(async () => {
  await removeCountedRouter();
  await runCommand('ip', ['netns', 'del', 'hs-count-wan']).catch(() => undefined);
});

const mine = () =>
  [...new NamespaceWatcher().scan().values()].filter((n) => n.name?.startsWith('hs-count-'));

it('finds the pods’ veths of a node with their other ends, and its uplink', async () => {
  await runCommand('ip', ['netns', 'add', 'hs-count-wan']);
  await ipBatch(ROUTER, [
    'link add up0 type veth peer name eth0 netns hs-count-wan',
    'address add 203.0.113.1/24 dev up0',
    'link set up0 up',
    'route add default via 203.0.113.254',
    'link add bridge0 type bridge',
  ]);
  const namespaces = await readDevices(mine(), NamespaceWatcher.own().netns);
  expect(namespaces).toHaveLength(4);
  const router = namespaces.find(({ netns }) => netns === numberOf(ROUTER));
  expect(router?.forwards).toBe(true);
  const devices = countedDevices(namespaces).filter(({ netns }) => netns === numberOf(ROUTER));
  expect(devices).toHaveLength(3);
  expect(devices).toContainEqual(await countedDevice(A, true));
  expect(devices).toContainEqual(await countedDevice(B, true));
  expect(devices).toContainEqual({
    ...{ netns: numberOf(ROUTER), path: `/run/netns/${ROUTER}` },
    ...{ ifindex: await ifindexOf(ROUTER, 'up0'), role: 'uplink', peer: null },
  });
});

it('takes a default route of IPv6 in any table, of IPv4 in the main one', async () => {
  await ipBatch(ROUTER, [
    'link add out6 type bridge',
    'link add out4 type bridge',
    'link set out6 up',
    'link set out4 up',
    'route add ::/0 dev out6 table 77',
    'route add default dev out4 table 77',
  ]);
  const namespaces = await readDevices(mine(), NamespaceWatcher.own().netns);
  const router = namespaces.find(({ netns }) => netns === numberOf(ROUTER));
  const hasDefault = async (name: string) => {
    const ifindex = await ifindexOf(ROUTER, name);
    return router?.devices.find((device) => device.ifindex === ifindex)?.hasDefaultRoute;
  };
  expect([await hasDefault('out6'), await hasDefault('out4')]).toEqual([true, false]);
});

it('leaves out a namespace that has gone', async () => {
  const gone = {
    netns: 1,
    inode: 1,
    owner: 0,
    name: 'hs-count-gone',
    path: '/run/netns/hs-count-gone',
  };
  expect(await readDevices([gone, ...mine().slice(0, 1)], 0)).toHaveLength(1);
});

it('reads no further namespace once it is stopped', async () => {
  let asked = 0;
  const known = await readDevices(mine(), 0, () => ++asked > 2);
  expect(mine().length).toBeGreaterThan(2);
  expect(known).toHaveLength(2);
});
