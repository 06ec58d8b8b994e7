#!/usr/bin/env node
// @ts-check
/*
 * Records what tshark says of packets, for tshark.test.ts to hold the decoder to:
 *
 *   npx vitest run --project unit -u test/packet  writes the fixtures to fixtures-*.txt
 *   node test/packet/judged/judge.mjs            judges them and real.pcap again
 *   node test/packet/judged/judge.mjs --record   records real.pcap first: needs root
 *
 * The captures and verdicts are kept, so that tests need neither tshark nor root.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, getuid } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
/** As many bytes as the tracer takes of a packet. */
const SNAP_LENGTH = 176;

/** Fields whose every occurrence is kept, in the order of the packet's layers. */
const FIELDS = [
  ...['frame.len', 'frame.protocols', 'eth.src', 'eth.dst', 'eth.type', 'ieee8021ad.id', 'vlan.id'],
  ...['ip.src', 'ip.dst', 'ip.proto', 'ip.ttl', 'ip.id', 'ip.len', 'ip.dsfield'],
  ...['ip.flags.df', 'ip.flags.mf', 'ip.frag_offset'],
  ...[
    'ipv6.src',
    'ipv6.dst',
    'ipv6.hlim',
    'ipv6.plen',
    'ipv6.fraghdr.offset',
    'ipv6.fraghdr.ident',
  ],
  ...['tcp.srcport', 'tcp.dstport', 'tcp.flags', 'tcp.seq_raw', 'tcp.ack_raw', 'tcp.len'],
  ...['tcp.window_size_value', 'tcp.options.mss_val', 'tcp.options.wscale.shift'],
  ...['udp.srcport', 'udp.dstport', 'udp.length', 'sctp.srcport', 'sctp.dstport'],
  ...['icmp.type', 'icmp.code', 'icmp.ident', 'icmp.seq', 'icmp.mtu'],
  ...['icmpv6.type', 'icmpv6.code', 'icmpv6.echo.identifier', 'icmpv6.echo.sequence_number'],
  ...['icmpv6.mtu', 'vxlan.vni', 'geneve.vni', 'gre.key', 'wg.receiver', 'wg.counter'],
  ...['arp.opcode', 'arp.src.hw_mac', 'arp.src.proto_ipv4', 'arp.dst.hw_mac', 'arp.dst.proto_ipv4'],
];

/**
 * A pcap file (draft-ietf-opsawg-pcap) from lines of length on the wire and bytes in hex.
 *
 * @param {number} linkType
 * @param {string} text
 */
function pcap(linkType, text) {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262144, 16);
  header.writeUInt32LE(linkType, 20);
  const packets = text
    .trimEnd()
    .split('\n')
    .flatMap((line) => {
      const [wireLength = '', hex = ''] = line.split(' ');
      const bytes = Buffer.from(hex, 'hex');
      const packet = Buffer.alloc(16);
      packet.writeUInt32LE(bytes.length, 8);
      packet.writeUInt32LE(Number(wireLength), 12);
      return [packet, bytes];
    });
  return Buffer.concat([header, ...packets]);
}

/**
 * @param {string} name
 * @param {Buffer} capture
 */
function judge(name, capture) {
  // tshark takes a file, not what comes through a socket.
  const directory = mkdtempSync(join(tmpdir(), 'judge-'));
  const file = join(directory, 'packets.pcap');
  writeFileSync(file, capture);
  const { status, stdout, stderr } = spawnSync(
    'tshark',
    [
      ...['-n', '-r', file, '-T', 'fields', '-E', 'occurrence=a', '-E', 'aggregator=|'],
      // Each packet by itself: no reassembly, no numbers relative to packets before it.
      ...['-o', 'ip.defragment:FALSE', '-o', 'ipv6.defragment:FALSE'],
      ...['-o', 'tcp.desegment_tcp_streams:FALSE', '-o', 'tcp.relative_sequence_numbers:FALSE'],
      // Both ports of VXLAN; Wireshark knows the first.
      ...['-d', 'udp.port==8472,vxlan'],
      ...FIELDS.flatMap((field) => ['-e', field]),
    ],
    { encoding: 'utf8', maxBuffer: 64 << 20 },
  );
  rmSync(directory, { recursive: true });
  if (status !== 0) throw new Error(`tshark: ${stderr}`);
  const packets = stdout
    .trimEnd()
    .split('\n')
    .map((line) => {
      const columns = line.split('\t');
      return Object.fromEntries(
        FIELDS.map((field, index) => [field, columns[index] ?? ''])
          .filter(([, value]) => value !== '')
          .map(([field, value]) => [field, String(value).split('|')]),
      );
    });
  const lines = packets.map((packet) => `  ${JSON.stringify(packet)}`);
  writeFileSync(`${HERE}${name}.tshark.json`, `[\n${lines.join(',\n')}\n]\n`);
  console.log(`${name}: ${packets.length} packets`);
}

/** @param {string} command */
function run(command, { check = true } = {}) {
  const [file = '', ...args] = command.split(' ');
  const { status, stderr } = spawnSync(file, args, { encoding: 'utf8' });
  if (check && status !== 0) throw new Error(`${command}: ${stderr}`);
}

const NAMESPACES = ['packet-a', 'packet-b', 'packet-c'];

/** a and b on one segment and in one VXLAN; c beyond b, over a link with a smaller MTU. */
async function record() {
  if (getuid?.() !== 0) throw new Error('recording makes network namespaces: run as root');
  try {
    for (const name of NAMESPACES) run(`ip netns add ${name}`);
    run('ip -n packet-a link add eth0 type veth peer name eth0 netns packet-b');
    run('ip -n packet-b link add eth1 type veth peer name eth0 netns packet-c');
    for (const [name, device, address] of [
      ['packet-a', 'eth0', '1'],
      ['packet-b', 'eth0', '2'],
    ]) {
      run(`ip -n ${name} addr add 192.168.77.${address}/24 dev ${device}`);
      run(`ip -n ${name} addr add fd77::${address}/64 dev ${device} nodad`);
      run(`ip -n ${name} link set ${device} up`);
      run(`ip -n ${name} link set lo up`);
      run(
        `ip -n ${name} link add vx0 type vxlan id 4096 dstport 4789 remote 192.168.77.${address === '1' ? 2 : 1} dev eth0`,
      );
      run(`ip -n ${name} addr add 10.77.0.${address}/24 dev vx0`);
      run(`ip -n ${name} addr add fd78::${address}/64 dev vx0 nodad`);
      run(`ip -n ${name} link set vx0 up`);
    }
    for (const [name, device, address] of [
      ['packet-b', 'eth1', '1'],
      ['packet-c', 'eth0', '2'],
    ]) {
      run(`ip -n ${name} addr add 192.168.78.${address}/24 dev ${device}`);
      run(`ip -n ${name} addr add fd79::${address}/64 dev ${device} nodad`);
      run(`ip -n ${name} link set ${device} mtu 1400 up`);
    }
    run('ip netns exec packet-b sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1');
    run('ip -n packet-a route add 192.168.78.0/24 via 192.168.77.2');
    run('ip -n packet-a route add fd79::/64 via fd77::2');
    run('ip -n packet-c route add default via 192.168.78.1');
    run('ip -n packet-c route add default via fd79::1');

    const capture = spawn(
      'ip',
      // Without -Z the file would be opened by a user who may not write here.
      [
        'netns',
        'exec',
        'packet-a',
        'tcpdump',
        '-Z',
        'root',
        '-U',
        '-s',
        String(SNAP_LENGTH),
      ].concat([...['-c', '400', '-i', 'eth0', '-w', `${HERE}real.pcap`]]),
      { stdio: 'ignore' },
    );
    await sleep(1500);
    const a = 'ip netns exec packet-a';
    for (const to of [
      '192.168.77.2',
      'fd77::2',
      '10.77.0.2',
      'fd78::2',
      '192.168.78.2',
      'fd79::2',
    ]) {
      run(`${a} ping -n -c 2 -i 0.2 -W 1 ${to}`);
    }
    run(`${a} ping -n -c 1 -Q 0xb8 192.168.77.2`);
    run(`${a} ping -n -c 1 -s 4000 192.168.77.2`);
    run(`${a} ping -n -c 1 -s 4000 fd77::2`);
    run(`${a} ping -n -c 1 -s 4000 10.77.0.2`);
    // Too big for the link beyond b, and too many hops.
    run(`${a} ping -n -c 1 -W 1 -M do -s 1472 192.168.78.2`, { check: false });
    run(`${a} ping -n -c 1 -W 1 -M do -s 1452 fd79::2`, { check: false });
    run(`${a} ping -n -c 1 -W 1 -t 1 192.168.78.2`, { check: false });
    run(`${a} ping -n -c 1 -W 1 -t 1 fd79::2`, { check: false });
    for (const [address, port] of [
      ['192.168.77.2', 8001],
      ['fd77::2', 8002],
      ['10.77.0.2', 8003],
      ['fd78::2', 8004],
    ]) {
      const listen = spawn('ip', [
        ...['netns', 'exec', 'packet-b', 'nc', '-N', '-l', String(address), String(port)],
      ]);
      await sleep(300);
      spawnSync(
        'ip',
        ['netns', 'exec', 'packet-a', 'nc', '-N', '-w', '2', String(address), String(port)],
        {
          input: 'x'.repeat(5000),
        },
      );
      listen.kill();
      // Nobody listens: a reset, and a port unreachable.
      run(`${a} nc -z -w 1 ${address} 9`, { check: false });
      spawnSync('ip', ['netns', 'exec', 'packet-a', 'nc', '-u', '-w', '1', String(address), '9'], {
        input: 'datagram',
      });
    }
    await sleep(500);
    capture.kill('SIGINT');
    await new Promise((resolve) => capture.once('exit', resolve));
  } finally {
    for (const name of NAMESPACES) run(`ip netns del ${name}`, { check: false });
  }
}

if (argv.includes('--record')) await record();
judge('real', readFileSync(`${HERE}real.pcap`));
judge('fixtures-ethernet', pcap(1, readFileSync(`${HERE}fixtures-ethernet.txt`, 'utf8')));
judge('fixtures-ip', pcap(101, readFileSync(`${HERE}fixtures-ip.txt`, 'utf8')));
