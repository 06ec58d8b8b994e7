import { runCommand, runIn } from '../../src/lab/run-command.js';

const PREFIX = 'hs-hook-';

export const CLIENT = { netns: `${PREFIX}client`, address: '192.0.2.1', via: '192.0.2.254' };
export const SERVER = { netns: `${PREFIX}server`, address: '198.51.100.1', via: '198.51.100.254' };
export const ROUTER = { netns: `${PREFIX}router` };
/** What the router turns into the server's address and port. */
export const SERVICE = { address: '203.0.113.7', port: 53 };
export const SERVER_PORT = 5353;
/** What the router drops. */
export const REFUSED_PORT = 9999;

const RULES = `
table ip route {
  chain c_raw { type filter hook prerouting priority raw; counter; }
  chain c_mangle { type filter hook forward priority mangle; counter; }
  chain c_dstnat { type nat hook prerouting priority dstnat;
    ip daddr ${SERVICE.address} udp dport ${SERVICE.port} dnat to ${SERVER.address}:${SERVER_PORT}; }
  chain c_filter { type filter hook forward priority filter; udp dport ${REFUSED_PORT} drop; }
  chain c_srcnat { type nat hook postrouting priority srcnat; ip daddr ${SERVER.address} masquerade; }
}`;

/** A client without rules, a router with all kinds of them, a server without. */
export async function makeRouter(): Promise<void> {
  for (const { netns } of [CLIENT, SERVER, ROUTER]) {
    await runCommand('ip', ['netns', 'add', netns]);
    await runIn(netns, 'sysctl', ['-q', '-w', 'net.ipv6.conf.all.disable_ipv6=1']);
  }
  for (const [{ netns, address, via }, dev] of [
    [CLIENT, 'client0'],
    [SERVER, 'server0'],
  ] as const) {
    await runCommand('ip', [
      ...['link', 'add', 'eth0', 'netns', netns, 'type', 'veth'],
      ...['peer', 'name', dev, 'netns', ROUTER.netns],
    ]);
    await runIn(netns, 'ip', ['address', 'add', `${address}/24`, 'dev', 'eth0']);
    await runIn(netns, 'ip', ['link', 'set', 'eth0', 'up']);
    await runIn(ROUTER.netns, 'ip', ['address', 'add', `${via}/24`, 'dev', dev]);
    await runIn(ROUTER.netns, 'ip', ['link', 'set', dev, 'up']);
    await runIn(netns, 'ip', ['route', 'add', 'default', 'via', via]);
  }
  await runIn(ROUTER.netns, 'sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1']);
  await runIn(ROUTER.netns, 'nft', [RULES]);
}

export async function removeRouter(): Promise<void> {
  for (const { netns } of [CLIENT, SERVER, ROUTER]) {
    await runCommand('ip', ['netns', 'del', netns]).catch(() => undefined);
  }
}

/** A datagram from the client; nobody need listen. */
export async function sendDatagram(address: string, port: number): Promise<void> {
  await runIn(CLIENT.netns, 'bash', ['-c', `echo hello > /dev/udp/${address}/${port}`]);
}
