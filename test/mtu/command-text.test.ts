import { expect, it } from 'vitest';
import { commandIn, ipCommand, setMtu } from '../../src/mtu/command-text.js';
import { Namespace } from '../../src/network/machine.js';
import { namespace } from './described.js';

const named = new Namespace(namespace(1, 'pod1'));
const own = new Namespace(namespace(2, 'host', { given: null, isOwn: true }));
const nameless = new Namespace(
  namespace(3, 'net:[4026532000]', { given: null, path: '/proc/77/ns/net' }),
);

it('is one for the namespace, however it is called', () => {
  expect(setMtu(named, 'eth0', 1450)).toBe('ip -n pod1 link set dev eth0 mtu 1450');
  expect(setMtu(own, 'eth0', 1450)).toBe('ip link set dev eth0 mtu 1450');
  expect(setMtu(nameless, 'eth0', 1450)).toBe(
    'nsenter --net=/proc/77/ns/net ip link set dev eth0 mtu 1450',
  );
  expect(commandIn(named, 'nft', 'list')).toBe('ip netns exec pod1 nft list');
});

it('quotes what a shell would take for something else', () => {
  expect(ipCommand(named, "a'b;c", '-x')).toBe(`ip -n pod1 'a'\\''b;c' -x`);
});
