import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand, runIn } from '../../src/lab/run-command.js';

const PREFIX = 'hs-flt-';

export const POD = { netns: `${PREFIX}pod`, address: '192.0.2.1', v6: '2001:db8:1::1' };
export const SERVER = { netns: `${PREFIX}server`, address: '198.51.100.1', v6: '2001:db8:2::1' };
export const ROUTER = {
  netns: `${PREFIX}router`,
  macs: ['02:00:00:00:01:fe', '02:00:00:00:02:fe'],
};
/** What the router turns into the server. */
export const SERVICE = { address: '203.0.113.7', udp: 53, tcp: 80 };
export const SERVER_PORTS = { udp: 5353, tcp: 8080 };
/** What the router drops. */
export const REFUSED_PORT = 9999;
/** Tunnels from the pod to the server, past the router. */
export const VXLAN = { pod: '10.1.0.1', server: '10.1.0.2' };
export const GRE = { pod: '10.2.0.1', server: '10.2.0.2' };
export const NAMESPACES = [POD.netns, ROUTER.netns, SERVER.netns];

const RULES = `
table ip t {
  chain in { type nat hook prerouting priority dstnat;
    ip daddr ${SERVICE.address} udp dport ${SERVICE.udp} dnat to ${SERVER.address}:${SERVER_PORTS.udp};
    ip daddr ${SERVICE.address} tcp dport ${SERVICE.tcp} dnat to ${SERVER.address}:${SERVER_PORTS.tcp}; }
  chain forward { type filter hook forward priority filter; udp dport ${REFUSED_PORT} drop; }
  chain out { type nat hook postrouting priority srcnat;
    ip daddr ${SERVER.address} udp dport ${SERVER_PORTS.udp} masquerade; }
}`;

const SIDES = [
  { ...POD, mac: '02:00:00:00:01:01', via: '192.0.2.254', via6: '2001:db8:1::fe', dev: 'pod0' },
  {
    ...{ ...SERVER, mac: '02:00:00:00:02:01', via: '198.51.100.254' },
    ...{ via6: '2001:db8:2::fe', dev: 'server0' },
  },
] as const;

/** Whether this kernel has GRE. */
export let hasGre = false;

async function setSide(side: (typeof SIDES)[number], routerMac: string): Promise<void> {
  const { netns, address, v6, mac, via, via6, dev } = side;
  await runCommand('ip', [
    ...['link', 'add', 'eth0', 'netns', netns, 'address', mac, 'type', 'veth'],
    ...['peer', 'name', dev, 'netns', ROUTER.netns, 'address', routerMac],
  ]);
  for (const [where, device, v4, six] of [
    [netns, 'eth0', `${address}/24`, `${v6}/64`],
    [ROUTER.netns, dev, `${via}/24`, `${via6}/64`],
  ] as const) {
    await runIn(where, 'ip', ['address', 'add', v4, 'dev', device]);
    await runIn(where, 'ip', ['address', 'add', six, 'dev', device, 'nodad']);
    await runIn(where, 'ip', ['link', 'set', device, 'up']);
  }
  await runIn(netns, 'ip', ['route', 'add', 'default', 'via', via]);
  await runIn(netns, 'ip', ['-6', 'route', 'add', 'default', 'via', via6]);
}

async function addTunnels(): Promise<void> {
  for (const [near, far, key] of [
    [POD, SERVER, 'pod'],
    [SERVER, POD, 'server'],
  ] as const) {
    const remote = ['remote', far.address];
    await runIn(near.netns, 'ip', [
      ...['link', 'add', 'vx0', 'type', 'vxlan', 'id', '7', 'dstport', '4789', ...remote],
    ]);
    await runIn(near.netns, 'ip', ['address', 'add', `${VXLAN[key]}/24`, 'dev', 'vx0']);
    await runIn(near.netns, 'ip', ['link', 'set', 'vx0', 'up']);
    if (!hasGre) continue;
    await runIn(near.netns, 'ip', [
      ...['tunnel', 'add', 'gre9', 'mode', 'gre', 'local', near.address, ...remote],
    ]);
    await runIn(near.netns, 'ip', ['address', 'add', `${GRE[key]}/24`, 'dev', 'gre9']);
    await runIn(near.netns, 'ip', ['link', 'set', 'gre9', 'up']);
  }
}

/** A pod, a router that translates, and a server. */
export async function makeFilteredNet(): Promise<void> {
  await removeFilteredNet();
  for (const netns of NAMESPACES) {
    await runCommand('ip', ['netns', 'add', netns]);
    // Nothing but what is sent.
    for (const setting of ['conf.all.mc_forwarding=0', 'conf.default.router_solicitations=0']) {
      await runIn(netns, 'sysctl', ['-q', '-w', `net.ipv6.${setting}`]).catch(() => undefined);
    }
  }
  hasGre = await runIn(POD.netns, 'ip', [
    'link',
    'add',
    'gre8',
    'type',
    'gre',
    'local',
    '192.0.2.9',
  ])
    .then(() => runIn(POD.netns, 'ip', ['link', 'del', 'gre8']))
    .then(() => true)
    .catch(() => false);
  for (const [i, side] of SIDES.entries()) await setSide(side, ROUTER.macs[i] as string);
  await runIn(ROUTER.netns, 'sysctl', [
    ...['-q', '-w', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'],
  ]);
  await runIn(ROUTER.netns, 'nft', [RULES]);
  await addTunnels();
  await startServer();
  // Neighbours are known from now on, and what IPv6 says of itself is said.
  await delay(1500);
  await sendAll();
  await delay(500);
}

/** Has what each device receives go on at another CPU, the next time at the other one. */
export async function spreadOverCpus(): Promise<void> {
  for (const [netns, device, cpus] of [
    [ROUTER.netns, 'pod0', '2'],
    [SERVER.netns, 'eth0', '1'],
    [ROUTER.netns, 'server0', '2'],
    [POD.netns, 'eth0', '1'],
  ] as const) {
    const file = `/sys/class/net/${device}/queues/rx-0/rps_cpus`;
    await runIn(netns, 'sh', ['-c', `echo ${cpus} > ${file}`]);
  }
}

let server: ReturnType<typeof spawn> | null = null;

/** Answers datagrams and connections, as a process of the server. */
async function startServer(): Promise<void> {
  const program = `
    const udp = require('node:dgram').createSocket('udp4');
    udp.on('message', (data, from) => udp.send(data, from.port, from.address));
    udp.bind(${SERVER_PORTS.udp}, () => {
      require('node:net').createServer((socket) => socket.pipe(socket))
        .listen(${SERVER_PORTS.tcp}, () => console.log('ready'));
    });`;
  server = spawn('ip', ['netns', 'exec', SERVER.netns, process.execPath, '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (server.stdout !== null) await once(server.stdout, 'data');
}

export async function removeFilteredNet(): Promise<void> {
  server?.kill();
  server = null;
  for (const netns of NAMESPACES) {
    await runCommand('ip', ['netns', 'del', netns]).catch(() => undefined);
  }
}

/** Echo requests with a VLAN tag in the data, of which the router has no device. */
const TAGGED = `
import socket
link = bytes.fromhex('${ROUTER.macs[0]}'.replace(':', '')) + bytes.fromhex('020000000101')
packet = bytes.fromhex('4500001c00070000400100000a0300010a0300fe' + '0800f7fc00010002')
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0x0800))
for tag in (5, 6):
    s.send(link + bytes.fromhex('8100') + tag.to_bytes(2, 'big') + bytes.fromhex('0800') + packet)
`;

/** A bit of everything. */
export async function sendAll(): Promise<void> {
  await sendFragments();
  await sendWhole();
}

const PING = ['-n', '-q', '-c', '3', '-i', '0.02', '-W', '1'];

export async function sendFragments(): Promise<void> {
  await runIn(POD.netns, 'ping', [...PING, '-s', '4000', SERVER.address]);
}

export async function sendWhole(): Promise<void> {
  await runIn(POD.netns, 'ping', [...PING, SERVER.address]);
  await runIn(POD.netns, 'ping', [...PING, SERVER.v6]);
  await runIn(POD.netns, 'ping', [...PING, VXLAN.server]);
  if (hasGre) await runIn(POD.netns, 'ping', [...PING, GRE.server]);
  await runIn(POD.netns, 'python3', ['-c', TAGGED]);
  await runIn(POD.netns, process.execPath, [
    '-e',
    `const udp = require('node:dgram').createSocket('udp4');
     let left = 4;
     udp.on('message', () => { if (--left === 0) udp.close(); });
     for (let i = 0; i < 4; i++) udp.send('datagram ' + i, ${SERVICE.udp}, '${SERVICE.address}');
     udp.send('refused', ${REFUSED_PORT}, '${SERVER.address}');
     const tcp = require('node:net').connect(${SERVICE.tcp}, '${SERVICE.address}');
     let bytes = 0;
     tcp.on('data', (data) => { bytes += data.length; if (bytes === 20000) tcp.end(); });
     tcp.write(Buffer.alloc(20000, 'a'));
     setTimeout(() => process.exit(0), 1500).unref();`,
  ]);
}
