import { describe, expect, test } from 'vitest';
import { ORIGINAL } from '../../src/flow/direction-index.js';
import {
  ORIGIN_CLONE,
  ORIGIN_FIRST_SEEN,
  ORIGIN_FRAGMENT,
  ORIGIN_SEGMENT,
} from '../../src/join/path.js';
import { HOP_LIMIT } from '../../src/join/trail-joiner.js';
import { isComplete, verdictOf } from '../../src/join/verdict.js';
import {
  FUNCTIONS,
  hopsText,
  Joining,
  joinAll,
  nth,
  onlyPath,
  REASONS,
  tupleText,
} from '../fixtures/joined.js';
import type { PacketDescription } from '../fixtures/packet-bytes.js';
import {
  ADDRESSES,
  BRIDGE111,
  CALI1,
  CALI2,
  CALI3,
  CLIENT_ETH0,
  ENS111,
  ENS112,
  LO111,
  MACS,
  NETNS,
  NIC111,
  POD1_ETH0,
  POD2_ETH0,
  POD3_ETH0,
  TUNL111,
  TUNL112,
  VXLAN111,
  VXLAN112,
  WG111,
  WG112,
} from '../fixtures/places.js';
import { type Journey, Tape } from '../fixtures/tape.js';
import { ways } from '../fixtures/ways.js';

const MS = 1_000_000;
const SECOND = 1_000_000_000;

const ECHO6 = { src: 'fd00::1', dst: 'fd00::2', proto: 'icmpv6', icmpId: 7, icmpSeq: 1 } as const;
const PING: PacketDescription = {
  proto: 'icmp',
  src: ADDRESSES.pod1,
  dst: ADDRESSES.pod2,
  id: 7982,
  dontFragment: true,
  icmpId: 56616,
  icmpSeq: 1,
  payload: 56,
};
const SYN: PacketDescription = {
  proto: 'tcp',
  src: ADDRESSES.pod1,
  dst: ADDRESSES.service,
  sport: 38610,
  dport: 8080,
  id: 100,
  dontFragment: true,
  seq: 1000,
  flags: 'S',
  mss: 1410,
  windowScale: 7,
};
const DATAGRAM: PacketDescription = {
  proto: 'udp',
  src: ADDRESSES.pod1,
  dst: ADDRESSES.pod2,
  sport: 33333,
  dport: 5353,
  id: 500,
  payload: 32,
};
const DIRECT: PacketDescription = {
  proto: 'tcp',
  src: ADDRESSES.pod1,
  dst: ADDRESSES.pod2,
  sport: 38610,
  dport: 80,
  id: 100,
  dontFragment: true,
  seq: 1000,
  flags: 'P.',
  payload: 100,
};

/** From pod1's process to its host side. */
function leavePod1(journey: Journey): Journey {
  return journey
    .set({ link: { src: MACS.pod1, dst: MACS.hostSide } })
    .hook(POD1_ETH0, 'output')
    .hook(POD1_ETH0, 'postrouting')
    .cross(POD1_ETH0, CALI1);
}

/** From the node's routing into pod2 and to its socket layer. */
function enterPod2(journey: Journey): Journey {
  return journey
    .set({ link: { src: MACS.hostSide, dst: MACS.pod2 } })
    .cross(CALI2, POD2_ETH0)
    .hook(POD2_ETH0, 'prerouting')
    .hook(POD2_ETH0, 'input');
}

describe('one packet, one path', () => {
  test('across a veth pair, routing and another veth pair', () => {
    const tape = new Tape();
    const ping = leavePod1(tape.packet(PING)).hook(CALI1, 'prerouting').change({ ttl: 63 });
    enterPod2(ping.hook(CALI2, 'forward').hook(CALI2, 'postrouting')).free();
    const path = onlyPath(tape);
    expect(hopsText(path)).toBe('O S >eth0 <calice0906292e2 P F S >calibd2348b4f67 <eth0 P I');
    expect(verdictOf(path, false)).toBe('delivered');
    expect(isComplete(path)).toBe(true);
    expect(path.hops[0]?.time).toBe(0);
    expect(path.hops.map((hop) => hop.ttl).filter((ttl, i, all) => ttl !== all[i - 1])).toEqual([
      64, 63,
    ]);
    expect(path.ipLength).toBe(84);
  });

  test('each hop keeps what was true there: length, MTU, MACs, mark, device', () => {
    const tape = new Tape();
    leavePod1(tape.packet(PING))
      .set({ mark: 0x4000 })
      .hook(CALI1, 'prerouting', [-99])
      .set({ link: { src: MACS.node111, dst: MACS.node112 } })
      .egress(ENS111);
    const path = onlyPath(tape);
    const [egress, ingress, prerouting, uplink] = path.hops.slice(-4);
    expect(egress).toMatchObject({ len: 98, mtu: 1450, mark: 0, stage: 1, hook: 255 });
    expect(egress?.mac).toEqual({
      srcHi: 0x322145,
      srcLo: 0xc4c5d5,
      dstHi: 0xeeeeee,
      dstLo: 0xeeeeee,
    });
    expect(ingress?.mac).toBe(egress?.mac);
    expect(prerouting).toMatchObject({ len: 84, mark: 0x4000, stage: 3, hook: 0, priority: -99 });
    expect(prerouting?.mac).toBeNull();
    expect(uplink?.device).toMatchObject({ name: 'ens10', kind: 'veth', netns: NETNS.node111 });
    expect(uplink).toMatchObject({ len: 98, mtu: 1500 });
    expect(uplink?.mac).toMatchObject({ srcHi: 0x525400, srcLo: 0xdcc7b4 });
  });

  test('through translation of its destination, and back again on another packet', () => {
    const tape = new Tape();
    const ct = {
      address: 0xffff_8880_1000_5a00n,
      status: 0x198,
      original: { src: SYN.src, dst: SYN.dst, sport: 38610, dport: 8080, protocol: 6 },
      reply: { src: ADDRESSES.pod2, dst: SYN.src, sport: 80, dport: 38610, protocol: 6 },
    };
    const syn = leavePod1(tape.packet(SYN))
      .hook(CALI1, 'prerouting', [-301])
      .set({ ctInfo: 'new', ct: { ...ct, status: 0x8, reply: { ...ct.original, src: SYN.dst } } })
      .hook(CALI1, 'prerouting', [-151, -101])
      .change({ dst: ADDRESSES.pod2, dport: 80 })
      .set({ ct })
      .hook(CALI1, 'prerouting', [-99]);
    enterPod2(syn.hook(CALI2, 'forward').hook(CALI2, 'postrouting'));
    const path = onlyPath(tape);
    expect(tupleText(path.hops[0])).toBe('tcp 10.244.153.204:38610 > 10.107.161.255:8080');
    expect(tupleText(path.last)).toBe('tcp 10.244.153.204:38610 > 10.244.153.201:80');
    expect(path.last?.ct).toMatchObject({ info: 2, status: 0x198, zone: 0 });
    expect(path.last?.ct?.reply).toMatchObject({ src: ADDRESSES.pod2, sport: 80 });
    // A status that has changed means other tuples; without a change they are shared.
    const seen = path.hops.map((hop) => hop.ct).filter((entry) => entry !== null);
    expect(new Set(seen).size).toBe(2);
  });

  test('into VXLAN on one node and out of it on the other', () => {
    const tape = new Tape();
    const ping = leavePod1(tape.packet({ ...PING, dst: ADDRESSES.pod3 }))
      .hook(CALI1, 'prerouting')
      .change({ ttl: 63 })
      .hook(VXLAN111, 'forward')
      .hook(VXLAN111, 'postrouting')
      .egress(VXLAN111)
      .set({
        tunnel: { type: 'vxlan', src: ADDRESSES.node111, dst: ADDRESSES.node112, vni: 4096 },
        link: { src: MACS.node111, dst: MACS.node112 },
      })
      .hook(ENS111, 'output')
      .hook(ENS111, 'postrouting')
      .cross(ENS111, ENS112)
      .hook(ENS112, 'prerouting')
      .hook(ENS112, 'input')
      .set({ tunnel: null })
      .ingress(VXLAN112)
      .hook(VXLAN112, 'prerouting')
      .change({ ttl: 62 })
      .hook(CALI3, 'forward')
      .hook(CALI3, 'postrouting')
      .cross(CALI3, POD3_ETH0)
      .hook(POD3_ETH0, 'prerouting')
      .hook(POD3_ETH0, 'input');
    ping.free();
    const path = onlyPath(tape);
    expect(hopsText(path)).toBe(
      'O S >eth0 <calice0906292e2 P F S >vxlan.calico O S >ens10 <ens10 P I <vxlan.calico P F S >cali118af4ccd16 <eth0 P I',
    );
    const onWire = path.hops.filter((hop) => hop.device.name === 'ens10' && hop.len === 148);
    expect(onWire).toHaveLength(2);
    for (const hop of onWire) {
      expect(hop.outer).toMatchObject({
        src: ADDRESSES.node111,
        dst: ADDRESSES.node112,
        sport: 45281,
        dport: 4789,
        vni: 4096,
        overhead: 50,
      });
      expect(tupleText(hop)).toBe('icmp 10.244.153.204:56616 > 10.244.146.205:56616');
    }
    expect(path.hops.filter((hop) => hop.outer === null).at(-1)).toEqual(path.last);
    expect(isComplete(path)).toBe(true);
  });

  test('into IPIP, whose device has no link header', () => {
    const tape = new Tape();
    leavePod1(tape.packet({ ...PING, dst: ADDRESSES.pod3 }))
      .hook(CALI1, 'prerouting')
      .hook(TUNL111, 'forward')
      .egress(TUNL111)
      .set({ tunnel: { type: 'ipip', src: ADDRESSES.node111, dst: ADDRESSES.node112 } })
      .hook(ENS111, 'output')
      .cross(ENS111, ENS112)
      .hook(ENS112, 'input')
      .set({ tunnel: null })
      .ingress(TUNL112)
      .hook(TUNL112, 'prerouting');
    const path = onlyPath(tape);
    const [tunnelled] = path.hops.filter((hop) => hop.device.name === 'tunl0' && hop.stage === 1);
    expect(tunnelled).toMatchObject({ len: 84, mac: null, outer: null });
    const [wire] = path.hops.filter((hop) => hop.device.name === 'ens10' && hop.stage === 1);
    expect(wire).toMatchObject({ len: 118, outer: { vni: -1, sport: -1, overhead: 20 } });
  });

  test('through WireGuard, where only the buffer shows whose it is', () => {
    const tape = new Tape();
    leavePod1(tape.packet({ ...PING, dst: ADDRESSES.pod3 }))
      .hook(CALI1, 'prerouting')
      .change({ ttl: 63 })
      .hook(WG111, 'forward')
      .egress(WG111)
      .wait(200_000)
      .set({
        tunnel: { type: 'wireguard', src: ADDRESSES.node111, dst: ADDRESSES.node112, sport: 51820 },
      })
      .hook(ENS111, 'output')
      .cross(ENS111, ENS112)
      .hook(ENS112, 'prerouting')
      .hook(ENS112, 'input')
      .wait(200_000)
      .set({ tunnel: null })
      .ingress(WG112)
      .hook(WG112, 'prerouting')
      .hook(CALI3, 'forward')
      .cross(CALI3, POD3_ETH0)
      .hook(POD3_ETH0, 'input');
    const path = onlyPath(tape);
    const wire = path.hops.find((hop) => hop.device === path.hops.at(-1)?.device) ?? null;
    expect(wire).not.toBeNull();
    const hidden = path.hops.find((hop) => hop.device.name === 'ens10' && hop.stage === 1);
    expect(hidden?.outer).toMatchObject({ sport: 51820, dport: 51820, overhead: 60 });
    expect(tupleText(hidden)).toBe('icmp 10.244.153.204:56616 > 10.244.146.205:56616');
    expect(hidden?.ttl).toBe(63);
    expect(verdictOf(path, false)).toBe('delivered');
  });

  test('WireGuard of somebody else in a buffer of no packet of ours is its own path', () => {
    const tape = new Tape();
    tape
      .packet(PING)
      .set({ tunnel: { type: 'wireguard', src: ADDRESSES.node111, dst: ADDRESSES.node112 } })
      .ingress(ENS112);
    const path = onlyPath(tape);
    expect(tupleText(path.hops[0])).toBe('udp 192.168.100.111:45281 > 192.168.100.112:51820');
    expect(path.hops[0]?.outer).toBeNull();
  });

  test('ARP: question and answer are two packets', () => {
    const tape = new Tape();
    const question = tape.packet(PING).set({
      arp: { op: 1, senderMac: MACS.pod1, senderIp: ADDRESSES.pod1, targetIp: '169.254.1.1' },
      link: { src: MACS.pod1, dst: 'ff:ff:ff:ff:ff:ff' },
    });
    question.cross(POD1_ETH0, CALI1).free();
    const answer = tape.packet(PING, { skb: question.skb }).set({
      arp: {
        op: 2,
        senderMac: MACS.hostSide,
        senderIp: '169.254.1.1',
        targetMac: MACS.pod1,
        targetIp: ADDRESSES.pod1,
      },
      link: { src: MACS.hostSide, dst: MACS.pod1 },
    });
    answer.cross(CALI1, POD1_ETH0).free();
    const paths = joinAll(tape);
    expect(paths.map(hopsText)).toEqual(['>eth0 <calice0906292e2', '>calice0906292e2 <eth0']);
    expect(paths.map((path) => tupleText(path.hops[0]))).toEqual([
      'arp 10.244.153.204:-1 > 169.254.1.1:-1',
      'arp 169.254.1.1:-1 > 10.244.153.204:-1',
    ]);
    expect(paths.map((path) => verdictOf(path, false))).toEqual(['delivered', 'delivered']);
  });

  test('over IPv6, where there is no IP id', () => {
    const tape = new Tape();
    const packet = { ...SYN, src: ADDRESSES.pod1V6, dst: ADDRESSES.pod2V6 };
    enterPod2(leavePod1(tape.packet(packet)).hook(CALI1, 'prerouting').change({ ttl: 63 }));
    const path = onlyPath(tape);
    expect(tupleText(path.last)).toBe('tcp fd00:10:244:99c0::c:38610 > fd00:10:244:99c0::9:8080');
    expect(path).toMatchObject({ ipId: -1, ipLength: 68, tcpMss: 1410, tcpWindowScale: 7 });
  });

  test('an offloaded VLAN tag and one in the bytes are reported alike', () => {
    const tape = new Tape();
    tape
      .packet(PING)
      .set({ offloadedVlan: { tci: 0x6007, proto: 0x8100 } })
      .egress(ENS111);
    tape
      .packet({ ...PING, id: 2, icmpSeq: 2 })
      .set({ link: { src: MACS.node111, dst: MACS.node112, vlan: 7 } })
      .egress(ENS111);
    const paths = joinAll(tape);
    expect(paths.map((path) => path.hops[0]).map((hop) => [hop?.vlanId, hop?.vlanProto])).toEqual([
      [7, 0x8100],
      [7, 0x8100],
    ]);
    expect(paths.map((path) => tupleText(path.hops[0]))).toHaveLength(2);
  });

  test('a socket that takes it ends the path, once', () => {
    const tape = new Tape();
    const packet = enterPod2(leavePod1(tape.packet(DATAGRAM)));
    packet.deliver(NETNS.pod2).deliver(NETNS.pod2).free();
    const path = onlyPath(tape);
    expect(hopsText(path)).toMatch(/ P I !$/);
    expect(path.last).toMatchObject({ len: 60, ttl: 64, ipId: 500 });
    expect(tupleText(path.last)).toBe('udp 10.244.153.204:33333 > 10.244.153.201:5353');
  });

  test('a delivery in a namespace where the packet is not is somebody else’s', () => {
    const tape = new Tape();
    leavePod1(tape.packet(DATAGRAM)).deliver(NETNS.pod3);
    expect(hopsText(onlyPath(tape))).toBe('O S >eth0 <calice0906292e2');
  });

  test('a delivery from a buffer that was last seen on its way out is somebody else’s', () => {
    const tape = new Tape();
    // Its buffer was given to a raw socket's copy of another packet meanwhile.
    tape
      .packet(PING)
      .hook(ENS111, 'output')
      .egress(ENS111)
      .set({ head: tape.address() })
      .deliver(NETNS.node111);
    expect(hopsText(onlyPath(tape))).toBe('O >ens10');
  });

  test('ends for buffers never seen are taken without harm', () => {
    const tape = new Tape();
    tape.packet(PING).deliver(NETNS.pod1);
    expect(joinAll(tape)).toEqual([]);
  });
});

describe('buffers are reused', () => {
  test('with notice: the next packet at the address is another', () => {
    const tape = new Tape();
    const first = tape.packet(PING).cross(POD1_ETH0, CALI1).free();
    tape
      .packet({ ...PING, id: 7983, icmpSeq: 2 }, { skb: first.skb, head: first.head })
      .cross(POD1_ETH0, CALI1)
      .free();
    expect(joinAll(tape).map(hopsText)).toEqual([
      '>eth0 <calice0906292e2',
      '>eth0 <calice0906292e2',
    ]);
  });

  test('without notice: they are distinguished by what no hop rewrites', () => {
    const tape = new Tape();
    const first = tape.packet(DATAGRAM).cross(POD1_ETH0, CALI1);
    tape
      .packet({ ...DATAGRAM, id: 501 }, { skb: first.skb, head: first.head })
      .cross(POD1_ETH0, CALI1);
    expect(joinAll(tape).map((path) => path.ipId)).toEqual([500, 501]);
  });

  test('without notice, both with IP id 0: they are distinguished by the TCP sequence', () => {
    const tape = new Tape();
    const first = tape.packet({ ...SYN, id: 0 }).cross(POD1_ETH0, CALI1);
    tape
      .packet({ ...SYN, id: 0, seq: 77 }, { skb: first.skb, head: first.head })
      .cross(POD1_ETH0, CALI1);
    expect(joinAll(tape).map((path) => path.tcpSeq)).toEqual([1000, 77]);
  });

  test('without notice, datagrams with IP id 0: another length is another packet', () => {
    const tape = new Tape();
    const first = tape.packet({ ...DATAGRAM, id: 0 }).cross(POD1_ETH0, CALI1);
    tape
      .packet({ ...DATAGRAM, id: 0, payload: 33 }, { skb: first.skb, head: first.head })
      .cross(POD1_ETH0, CALI1);
    expect(joinAll(tape).map((path) => path.payloadLength)).toEqual([32, 33]);
  });

  test('without notice, alike to the last byte: the second begins where the first did', () => {
    const tape = new Tape();
    const first = tape.packet({ ...DATAGRAM, id: 0 }).cross(POD1_ETH0, CALI1);
    tape
      .packet({ ...DATAGRAM, id: 0 }, { skb: first.skb, head: first.head })
      .cross(POD1_ETH0, CALI1);
    // As the kernel has it: a trail begins anew where it began before.
    const { paths } = new Joining({ grouped: false }).end(tape);
    expect(paths.map((path) => path.length)).toEqual([2, 2]);
  });

  test('a packet that a loop brings back to where it began has lost from its TTL', () => {
    const tape = new Tape();
    tape
      .packet({ ...DATAGRAM, id: 0, ttl: 64 })
      .cross(POD1_ETH0, CALI1)
      .change({ ttl: 63 })
      .cross(POD1_ETH0, CALI1);
    expect(onlyPath(tape).length).toBe(4);
  });

  test('by another protocol with equal everything else', () => {
    const tape = new Tape();
    const first = tape.packet({ ...DATAGRAM, payload: 8 }).ingress(CALI1);
    tape.packet({ ...DATAGRAM, proto: 'sctp', payload: 4 }, { skb: first.skb }).ingress(CALI1);
    expect(joinAll(tape).map((path) => path.protocol)).toEqual([17, 132]);
  });

  test('by ARP where IP was, and the other way', () => {
    const tape = new Tape();
    const arp = {
      op: 1,
      senderMac: MACS.pod1,
      senderIp: '10.0.0.1',
      targetIp: '10.0.0.2',
    } as const;
    const first = tape.packet(DATAGRAM).ingress(CALI1);
    tape.packet(DATAGRAM, { skb: first.skb }).set({ arp }).ingress(CALI1);
    tape.packet({ ...DATAGRAM, id: 501 }, { skb: first.skb }).ingress(CALI1);
    expect(joinAll(tape).map((path) => path.isArp)).toEqual([false, true, false]);
  });

  test('a retransmission has the same data and another IP id: a new packet', () => {
    const tape = new Tape();
    const head = tape.address();
    for (const id of [100, 101, 102]) {
      // TCP keeps the original and sends clones of it.
      leavePod1(tape.packet({ ...SYN, id }, { head })).drop(CALI1, REASONS.NETFILTER_DROP);
      tape.wait(SECOND);
    }
    const paths = joinAll(tape);
    expect(paths.map((path) => [path.ipId, path.origin])).toEqual([
      [100, ORIGIN_FIRST_SEEN],
      [101, ORIGIN_FIRST_SEEN],
      [102, ORIGIN_FIRST_SEEN],
    ]);
    expect(paths.map(hopsText)).toEqual(
      Array.from({ length: 3 }, () => 'O S >eth0 <calice0906292e2 x'),
    );
  });

  test('a retransmission without IP id, over IPv6, starts at its source: a new packet', () => {
    const tape = new Tape();
    const head = tape.address();
    const packet = { ...SYN, src: ADDRESSES.pod1V6, dst: ADDRESSES.pod2V6 };
    for (let i = 0; i < 2; i++) {
      leavePod1(tape.packet(packet, { head }));
      tape.wait(200 * MS);
    }
    expect(joinAll(tape).map(hopsText)).toEqual([
      'O S >eth0 <calice0906292e2',
      'O S >eth0 <calice0906292e2',
    ]);
  });
});

describe('copies and clones', () => {
  test('a clone that takes over from its freed original goes on as the same packet', () => {
    const tape = new Tape();
    const ping = leavePod1(tape.packet(PING));
    const clone = ping.clone();
    ping.free();
    enterPod2(clone);
    const path = onlyPath(tape);
    expect(hopsText(path)).toBe('O S >eth0 <calice0906292e2 >calibd2348b4f67 <eth0 P I');
  });

  test('a copy in new memory goes on as the same packet', () => {
    const tape = new Tape();
    const ping = leavePod1(tape.packet(PING));
    const copy = ping.copy();
    enterPod2(copy);
    ping.free();
    const path = onlyPath(tape);
    expect(hopsText(path)).toBe('O S >eth0 <calice0906292e2 >calibd2348b4f67 <eth0 P I');
  });

  test.each([
    ['one after the other', false],
    ['queued, then taken up', true],
  ])('a bridge floods clones, %s: branches that share the way to it', (_name, queued) => {
    const tape = new Tape();
    const broadcast = tape.packet(DATAGRAM).cross(POD1_ETH0, CALI1).ingress(BRIDGE111);
    const first = broadcast.clone();
    const second = broadcast.clone();
    first.egress(CALI2);
    if (queued) {
      second.egress(ENS111);
      broadcast.free();
    }
    first.ingress(POD2_ETH0).hook(POD2_ETH0, 'input');
    if (!queued) {
      second.egress(ENS111);
      broadcast.free();
    }
    second.ingress(ENS112).hook(ENS112, 'input');
    const joining = new Joining().end(tape);
    const way = '>eth0 <calice0906292e2 <br0';
    expect(joining.paths.map((path) => [hopsText(path), path.origin])).toEqual([
      [way, ORIGIN_FIRST_SEEN],
      [`${way} >calibd2348b4f67 <eth0 I`, ORIGIN_CLONE],
      [`${way} >ens10 <ens10 I`, ORIGIN_CLONE],
    ]);
    expect(joining.paths[0]?.children).toBe(2);
    const [flow, ...others] = joining.allFlows();
    expect(others).toEqual([]);
    const original = flow && ways(flow)[0];
    expect(original).toMatchObject({ packets: 1, bytes: 60 });
    const legs = original?.legs.map((leg) => [leg.device.name, leg.packets]);
    // What the branches share is counted once.
    expect(legs?.filter(([name]) => name === 'calice0906292e2')).toEqual([['calice0906292e2', 1]]);
  });
});

describe('fragments', () => {
  const SUPER: PacketDescription = { ...DIRECT, payload: 2800 };

  test('segments of a GSO packet: joined to it, counted once, bytes exact', () => {
    const tape = new Tape();
    const whole = leavePod1(tape.packet(SUPER).set({ gso: { size: 1400, segs: 2 } }));
    for (const [offset, id] of [
      [0, 100],
      [1400, 101],
    ] as const) {
      tape
        .packet({ ...SUPER, payload: 1400, seq: 1000 + offset, id })
        .egress(ENS111)
        .ingress(ENS112);
    }
    whole.free();
    const joining = new Joining().end(tape);
    expect(joining.paths.map((path) => [path.origin, path.inherited])).toEqual([
      [ORIGIN_FIRST_SEEN, 0],
      [ORIGIN_SEGMENT, 10],
      [ORIGIN_SEGMENT, 10],
    ]);
    expect(hopsText(nth(joining.paths, 1))).toBe('O S >eth0 <calice0906292e2 >ens10 <ens10');
    const [flow, ...others] = joining.allFlows();
    const wire = flow?.legs(ORIGINAL).find((leg) => leg.device.name === 'ens10');
    expect(wire).toMatchObject({ packets: 2, bytes: 2880 });
    expect(others).toEqual([]);
    expect(flow && ways(flow)[0]).toMatchObject({ packets: 1, bytes: 2840 });
    expect(flow?.largest).toBe(1440);
  });

  test('a segment of another place in the stream is no fragment of it', () => {
    const tape = new Tape();
    leavePod1(tape.packet(SUPER).set({ gso: { size: 1400, segs: 2 } }));
    tape.packet({ ...SUPER, payload: 1400, seq: 1000 + 2800, id: 200 }).egress(ENS111);
    expect(joinAll(tape).map((path) => path.origin)).toEqual([
      ORIGIN_FIRST_SEEN,
      ORIGIN_FIRST_SEEN,
    ]);
  });

  test('fragments: the first stands for the packet, the others branch from it', () => {
    const tape = new Tape();
    const whole = leavePod1(tape.packet({ ...DATAGRAM, payload: 2000 }));
    const first = tape.packet({ ...DATAGRAM, payload: 1472, moreFragments: true });
    const second = tape.packet({ ...DATAGRAM, payload: 528, fragmentOffset: 1480 });
    first.cross(ENS111, ENS112);
    second.cross(ENS111, ENS112);
    whole.free();
    const joining = new Joining().end(tape);
    expect(joining.paths.map((path) => [hopsText(path), path.origin])).toEqual([
      ['O S >eth0 <calice0906292e2 >ens10 <ens10', ORIGIN_FIRST_SEEN],
      ['O S >eth0 <calice0906292e2 >ens10 <ens10', ORIGIN_FRAGMENT],
    ]);
    expect(tupleText(joining.paths[1]?.last)).toBe(
      'udp 10.244.153.204:33333 > 10.244.153.201:5353',
    );
    const [flow, ...others] = joining.allFlows();
    expect(others).toEqual([]);
    expect(flow && ways(flow)[0]).toMatchObject({ packets: 1, bytes: 2028 });
    expect(flow?.traced?.fragmentsSeen).toBe(true);
  });

  test('a reassembled packet goes on as the first fragment', () => {
    const tape = new Tape();
    const first = tape.packet({ ...DATAGRAM, payload: 1472, moreFragments: true });
    first.ingress(ENS112);
    tape.packet({ ...DATAGRAM, payload: 528, fragmentOffset: 1480 }).ingress(ENS112);
    first.change({ payload: 2000, moreFragments: false }).hook(ENS112, 'prerouting');
    const paths = joinAll(tape);
    expect(paths.map((path) => [hopsText(path), path.origin])).toEqual([
      ['<ens10 P', ORIGIN_FIRST_SEEN],
      ['<ens10', ORIGIN_FRAGMENT],
    ]);
  });

  test('an IPv6 packet has an id in fragments only, and another after each cut', () => {
    const tape = new Tape();
    const ends = { src: 'fd00::c', dst: 'fd00::d' } as const;
    const echo = { ...ends, proto: 'icmpv6', icmpId: 7, icmpSeq: 1 } as const;
    const whole = leavePod1(tape.packet({ ...echo, payload: 1952 }));
    const cut = (id: number) => {
      whole.change({ payload: 1368, moreFragments: true, id });
      const rest = { ...echo, payload: 584, fragmentOffset: 1376, id };
      whole.cross(ENS111, ENS112);
      tape.packet(rest).cross(ENS111, ENS112);
    };
    cut(0x48e7ab7f);
    whole.change({ payload: 1952, moreFragments: false }).hook(ENS112, 'prerouting');
    cut(0x63474bb8);
    const joining = new Joining().end(tape);
    expect(joining.paths.map(({ origin }) => origin)).toEqual([
      ORIGIN_FIRST_SEEN,
      ORIGIN_FRAGMENT,
      ORIGIN_FRAGMENT,
    ]);
    const [flow, ...others] = joining.allFlows();
    expect(others).toEqual([]);
    expect(flow && ways(flow)[0]).toMatchObject({ packets: 1, bytes: 2000 });
    const [first, second] = joining.paths;
    expect(first?.last).toMatchObject({ fragmentOffset: 0, moreFragments: true });
    expect(second?.last).toMatchObject({ fragmentOffset: 1376, moreFragments: false });
  });

  test.each([
    ['IPv6, with another id after the second cut', 'fd00::c', 'fd00::d', 'icmpv6', 40, 0x63474bb8],
    ['IPv4, with the id it had', '10.0.0.1', '10.0.0.2', 'icmp', 20, 0x1234],
  ] as const)(
    'a packet that is first seen in fragments is counted once: %s',
    (_, src, dst, proto, header, secondId) => {
      const tape = new Tape();
      const echo = { src, dst, proto, icmpId: 7, icmpSeq: 1 } as const;
      const whole = tape.packet({ ...echo, payload: 1368, moreFragments: true, id: 0x1234 });
      const rest = { ...echo, payload: 584, fragmentOffset: 1376 };
      whole.cross(POD1_ETH0, CALI1);
      tape.packet({ ...rest, id: 0x1234 }).cross(POD1_ETH0, CALI1);
      // An IPv6 packet that is whole has no id; packetBytes leaves it out.
      whole.change({ payload: 1952, moreFragments: false }).hook(CALI1, 'prerouting');
      whole.change({ payload: 1368, moreFragments: true, id: secondId }).cross(ENS111, ENS112);
      tape.packet({ ...rest, id: secondId }).cross(ENS111, ENS112);
      const joining = new Joining().end(tape);
      expect(joining.paths.map(({ origin }) => origin)).toEqual([
        ORIGIN_FIRST_SEEN,
        ORIGIN_FRAGMENT,
        ORIGIN_FRAGMENT,
      ]);
      const [flow, ...others] = joining.allFlows();
      expect(others).toEqual([]);
      expect(flow && ways(flow)[0]).toMatchObject({ packets: 1, bytes: header + 8 + 1952 });
      expect(flow?.largest).toBe(header + 8 + 1952);
    },
  );

  test('a datagram reassembled in the buffer of a later fragment goes on as the first one', () => {
    const tape = new Tape();
    const first = tape.packet({ ...DATAGRAM, payload: 1472, moreFragments: true });
    first.ingress(ENS112);
    const second = tape.packet({ ...DATAGRAM, payload: 528, fragmentOffset: 1480 });
    second.ingress(ENS112);
    // inet_frag_reasm_prepare: the buffer that came last gets the data of the first.
    first.free();
    second.head = first.head;
    second
      .change({ payload: 2000, moreFragments: false, fragmentOffset: 0 })
      .hook(ENS112, 'prerouting');
    const paths = joinAll(tape);
    expect(paths.map((path) => [hopsText(path), path.origin])).toEqual([
      ['<ens10 P', ORIGIN_FIRST_SEEN],
      ['<ens10', ORIGIN_FRAGMENT],
    ]);
  });

  test('reassembled in the socket layer, read by a raw socket: every fragment delivered', () => {
    const tape = new Tape();
    const echo = { ...PING, dst: ADDRESSES.pod2 };
    const first = enterPod2(tape.packet({ ...echo, payload: 1472, moreFragments: true }));
    const second = enterPod2(tape.packet({ ...echo, payload: 528, fragmentOffset: 1480 }));
    first.free();
    second.head = first.head;
    second.change({ payload: 2000, moreFragments: false, fragmentOffset: 0 });
    second.drop(POD2_ETH0, REASONS.NO_SOCKET, { dataref: 2 });
    const paths = joinAll(tape);
    expect(paths.map((path) => verdictOf(path, false))).toEqual(['delivered', 'delivered']);
    expect(paths.map(({ dropped }) => dropped)).toEqual([false, false]);
  });

  test('reassembled after the hooks, taken by ICMPv6: every fragment delivered', () => {
    const tape = new Tape();
    const first = enterPod2(tape.packet({ ...ECHO6, id: 9, payload: 1432, moreFragments: true }));
    const second = enterPod2(tape.packet({ ...ECHO6, id: 9, payload: 576, fragmentOffset: 1440 }));
    first.free();
    second.head = first.head;
    second.change({ payload: 2008, moreFragments: false, fragmentOffset: 0 });
    second.drop(POD2_ETH0, REASONS.NOT_SPECIFIED, { location: FUNCTIONS.icmpv6_rcv });
    const paths = joinAll(tape);
    expect(paths.map((path) => verdictOf(path, false))).toEqual(['delivered', 'delivered']);
  });

  test('a packet dropped whole after it came in fragments is one drop', () => {
    const tape = new Tape();
    const echo = { ...PING, dst: ADDRESSES.pod2 };
    const first = enterPod2(tape.packet({ ...echo, payload: 1472, moreFragments: true }));
    enterPod2(tape.packet({ ...echo, payload: 528, fragmentOffset: 1480 }));
    first.change({ payload: 2000, moreFragments: false }).drop(POD2_ETH0, 99);
    const joining = new Joining().end(tape);
    const [flow] = joining.allFlows();
    expect(flow?.drops(ORIGINAL)).toBe(1);
    expect([...(flow?.reasons ?? [])]).toEqual([[99, 1]]);
  });

  test('a later fragment whose first was not seen stands alone', () => {
    const tape = new Tape();
    tape.packet({ ...DATAGRAM, payload: 528, fragmentOffset: 1480 }).ingress(ENS112);
    expect(joinAll(tape).map((path) => path.origin)).toEqual([ORIGIN_FIRST_SEEN]);
  });
});

describe('how a path ends', () => {
  test('dropped by a table: last hop has reason and place', () => {
    const tape = new Tape();
    leavePod1(tape.packet(SYN))
      .hook(CALI2, 'forward', [-151, -1])
      .drop(CALI1, REASONS.NETFILTER_DROP, { location: 0xffffffff81345678n });
    const path = onlyPath(tape);
    expect(hopsText(path)).toBe('O S >eth0 <calice0906292e2 F x');
    expect(path.last).toMatchObject({
      reason: REASONS.NETFILTER_DROP,
      location: 0xffffffff81345678n,
    });
    expect(verdictOf(path, false)).toBe('dropped');
  });

  test('dropped where its headers cannot be read: the buffer is proof enough', () => {
    const tape = new Tape();
    leavePod1(tape.packet(SYN)).drop(null, REASONS.IP_OUTNOROUTES, { snapLength: 4 });
    const path = onlyPath(tape);
    expect(hopsText(path)).toBe('O S >eth0 <calice0906292e2 x');
  });

  test('a drop of a packet never seen before is a path of its own', () => {
    const tape = new Tape();
    tape.packet(SYN).drop(CALI1, REASONS.NETFILTER_DROP);
    expect(joinAll(tape).map(hopsText)).toEqual(['x']);
  });

  test('no socket but a raw one, which holds a clone: delivered', () => {
    const tape = new Tape();
    enterPod2(leavePod1(tape.packet(PING))).drop(POD2_ETH0, REASONS.NO_SOCKET, { dataref: 2 });
    const path = onlyPath(tape);
    expect(path.dropped).toBe(false);
    expect(verdictOf(path, false)).toBe('delivered');
  });

  test('no socket at all: dropped', () => {
    const tape = new Tape();
    enterPod2(leavePod1(tape.packet(DATAGRAM))).drop(POD2_ETH0, REASONS.NO_SOCKET, { dataref: 1 });
    expect(verdictOf(onlyPath(tape), false)).toBe('dropped');
  });

  test('no socket, said of a packet that is not on its way to one: dropped', () => {
    const tape = new Tape();
    tape.packet(DATAGRAM).egress(POD1_ETH0).drop(POD1_ETH0, REASONS.NO_SOCKET, { dataref: 2 });
    expect(verdictOf(onlyPath(tape), false)).toBe('dropped');
  });

  test('no socket but a raw one, in a namespace whose hooks are not seen: delivered', () => {
    const tape = new Tape();
    leavePod1(tape.packet(PING)).drop(CALI1, REASONS.NO_SOCKET, { dataref: 2 });
    expect(verdictOf(onlyPath(tape), false)).toBe('delivered');
  });

  test('no socket, after a raw one had read its clone: delivered', () => {
    const tape = new Tape();
    const packet = leavePod1(tape.packet(PING)).hook(CALI1, 'input');
    packet.clone().deliver(NETNS.node111, 0xabcn, { process: 1, thread: 1, sleeps: 1 });
    packet.drop(CALI1, REASONS.NO_SOCKET, { dataref: 1 });
    const path = onlyPath(tape);
    expect(verdictOf(path, false)).toBe('delivered');
    expect(hopsText(path)).toMatch(/!$/);
  });

  test('a drop without a reason elsewhere is one', () => {
    const tape = new Tape();
    enterPod2(leavePod1(tape.packet(DIRECT))).drop(POD2_ETH0, REASONS.NOT_SPECIFIED);
    expect(verdictOf(onlyPath(tape), false)).toBe('dropped');
  });

  test('a queue purged after the socket took it: delivered, and no path more', () => {
    const tape = new Tape();
    enterPod2(leavePod1(tape.packet(DIRECT)))
      .deliver(NETNS.pod2)
      .drop(POD2_ETH0, REASONS.QUEUE_PURGE);
    const path = onlyPath(tape);
    expect(hopsText(path)).toMatch(/I !$/);
    expect(verdictOf(path, false)).toBe('delivered');
  });

  test('a queue purged with a segment that was received but not read: delivered', () => {
    const tape = new Tape();
    enterPod2(leavePod1(tape.packet(DIRECT))).drop(POD2_ETH0, REASONS.QUEUE_PURGE);
    expect(verdictOf(onlyPath(tape), false)).toBe('delivered');
  });

  test('no socket but a raw one, which has read its clone already: delivered', () => {
    const tape = new Tape();
    enterPod2(leavePod1(tape.packet(PING)))
      .deliver(NETNS.pod2)
      .drop(POD2_ETH0, REASONS.NO_SOCKET, { dataref: 1 });
    expect(verdictOf(onlyPath(tape), false)).toBe('delivered');
  });

  test('a clone in the queue of a socket that was closed: the packet was delivered', () => {
    const tape = new Tape();
    const location = FUNCTIONS.inet_sock_destruct;
    const answer = enterPod2(leavePod1(tape.packet(PING)));
    const clone = answer.clone();
    answer.free();
    clone.drop(null, REASONS.QUEUE_PURGE, { location });
    const path = onlyPath(tape);
    expect(path.dropped).toBe(false);
    expect(verdictOf(path, false)).toBe('delivered');
  });

  test('what a closed socket held of a path long finished is no packet of its own', () => {
    const tape = new Tape();
    const location = FUNCTIONS.inet_sock_destruct;
    tape.packet(DIRECT).drop(null, 0, { location });
    expect(joinAll(tape)).toEqual([]);
  });

  test('the last segment of a connection that is over already: delivered', () => {
    const tape = new Tape();
    const fin = { ...DIRECT, flags: 'F.', payload: 0 };
    const about = { location: FUNCTIONS.tcp_v4_rcv };
    enterPod2(leavePod1(tape.packet(fin))).drop(POD2_ETH0, REASONS.NOT_SPECIFIED, about);
    expect(verdictOf(onlyPath(tape), false)).toBe('delivered');
  });

  test.each([
    ['data for it', { flags: 'P.', payload: 10 }, FUNCTIONS.tcp_v4_rcv],
    ['a SYN', { flags: 'S', payload: 0 }, FUNCTIONS.tcp_v4_rcv],
    ['the same elsewhere', { flags: 'F.', payload: 0 }, FUNCTIONS.ip_rcv],
  ])('but not %s: dropped', (_, fields, location) => {
    const tape = new Tape();
    const sent = leavePod1(tape.packet({ ...DIRECT, ...fields }));
    enterPod2(sent).drop(POD2_ETH0, REASONS.NOT_SPECIFIED, { location });
    expect(verdictOf(onlyPath(tape), false)).toBe('dropped');
  });

  test.each([
    ['an ICMPv6 message that was taken', REASONS.NOT_SPECIFIED, FUNCTIONS.icmpv6_rcv, 'delivered'],
    ['one that was refused', REASONS.NO_SOCKET, FUNCTIONS.icmpv6_rcv, 'dropped'],
    ['one that came to nobody', REASONS.NOT_SPECIFIED, FUNCTIONS.ip_rcv, 'dropped'],
  ])('%s', (_, reason, location, verdict) => {
    const tape = new Tape();
    enterPod2(leavePod1(tape.packet(ECHO6))).drop(POD2_ETH0, reason, { location });
    expect(verdictOf(onlyPath(tape), false)).toBe(verdict);
  });

  test('a clone that a raw socket refused is counted and says nothing of the packet', () => {
    const tape = new Tape();
    const ping = enterPod2(leavePod1(tape.packet(PING)));
    ping.clone().drop(POD2_ETH0, REASONS.SOCKET_FILTER);
    ping.deliver(NETNS.pod2).free();
    const joining = new Joining().end(tape);
    expect(joining.paths.map((path) => verdictOf(path, false))).toEqual(['delivered']);
    expect(joining.joiner.counters.copiesRefused).toBe(1);
  });

  test('dropped after it was handed over: a full receive buffer', () => {
    const tape = new Tape();
    enterPod2(leavePod1(tape.packet(DATAGRAM))).drop(POD2_ETH0, 99);
    expect(verdictOf(onlyPath(tape), false)).toBe('dropped');
  });

  test('out of a network card: forwarded; out of a veth whose peer is silent: unknown', () => {
    const tape = new Tape();
    tape.packet(PING).egress(NIC111);
    tape.packet({ ...PING, id: 2, icmpSeq: 2 }).egress(ENS111);
    tape.packet({ ...PING, id: 3, icmpSeq: 3 }).egress(LO111);
    const paths = joinAll(tape);
    expect(paths.map((path) => verdictOf(path, false))).toEqual([
      'forwarded',
      'unknown',
      'unknown',
    ]);
    expect(verdictOf(nth(paths, 1), true)).toBe('forwarded');
  });

  test('seen last before the last table of INPUT: unknown', () => {
    const tape = new Tape();
    tape.packet(PING).ingress(POD2_ETH0).hook(POD2_ETH0, 'input', [-151, -1]);
    tape.packet({ ...PING, id: 2, icmpSeq: 2 }).ingress(POD2_ETH0);
    expect(joinAll(tape).map((path) => verdictOf(path, false))).toEqual(['unknown', 'unknown']);
  });
});

describe('what is missing', () => {
  test('a hop in another namespace that no device led into: not complete', () => {
    const tape = new Tape();
    tape.packet(PING).egress(POD1_ETH0).hook(CALI1, 'forward');
    const path = onlyPath(tape);
    expect(path.gap).toBe(true);
    expect(isComplete(path)).toBe(false);
  });

  test('PREROUTING right after leaving by a device: not complete', () => {
    const tape = new Tape();
    tape.packet(PING).egress(POD1_ETH0).hook(POD1_ETH0, 'prerouting');
    expect(isComplete(onlyPath(tape))).toBe(false);
  });

  test('more hops than are kept: cut, counted, not complete', () => {
    const tape = new Tape();
    const looping = tape.packet(PING);
    for (let i = 0; i <= HOP_LIMIT; i++) {
      looping.hook(CALI1, 'forward', [-1]);
    }
    const joining = new Joining().end(tape);
    const path = nth(joining.paths, 0);
    expect(path.hops).toHaveLength(HOP_LIMIT);
    expect(joining.joiner.counters.hopsCut).toBe(1);
    expect(isComplete(path)).toBe(false);
  });

  test('more open packets than there is room for: the oldest close early, counted', () => {
    const tape = new Tape();
    const joining = new Joining({ openPathLimit: 16 });
    for (let seq = 0; seq < 16; seq++) {
      tape.packet({ ...PING, id: seq, icmpSeq: seq }).egress(POD1_ETH0);
    }
    joining.read(tape);
    expect(joining.joiner.openPaths).toBe(16);
    expect(joining.joiner.counters.evicted).toBe(0);
    tape.packet({ ...PING, id: 16, icmpSeq: 16 }).egress(POD1_ETH0);
    joining.read(tape);
    expect(joining.joiner.openPaths).toBe(16);
    expect(joining.joiner.counters.evicted).toBe(1);
    expect(joining.paths.map((path) => path.icmpSeq)).toEqual([0]);
    joining.end(tape);
    expect(joining.paths.map((path) => path.icmpSeq)).toEqual(
      Array.from({ length: 17 }, (_, i) => i),
    );
  });

  test('malformed headers are counted and what could be read is kept', () => {
    const tape = new Tape();
    const broken = tape.packet({ ...DATAGRAM, proto: 'esp', payload: 4 });
    broken.egress(POD1_ETH0, { len: 20 });
    tape.packet(PING).egress(POD1_ETH0);
    const joining = new Joining().end(tape);
    expect(joining.joiner.counters.malformed.size).toBe(1);
    expect(joining.paths).toHaveLength(2);
    expect(joining.paths[0]?.malformed).toBeGreaterThan(0);
  });
});

describe('when a path is over', () => {
  test.each([
    ['freed: after 20 ms, for copies and late drops', 20 * MS, (j: Journey) => j.free()],
    ['on its way to a socket: after 250 ms', 250 * MS, (j: Journey) => j.hook(CALI1, 'input')],
    ['elsewhere: after a second in a queue', SECOND, (j: Journey) => j.egress(NIC111)],
  ])('%s', (_name, settle, end) => {
    const tape = new Tape();
    const joining = new Joining();
    end(tape.packet(PING).ingress(CALI1));
    joining.read(tape);
    // The tape stands one step after its last record.
    tape.wait(settle - 1_000 - 1);
    expect(joining.sweep(tape).paths).toEqual([]);
    expect(joining.joiner.openPaths).toBe(1);
    tape.wait(1);
    expect(joining.sweep(tape).paths).toHaveLength(1);
    expect(joining.joiner.openPaths).toBe(0);
  });

  test('flush ends everything, in the order in which packets were first seen', () => {
    const tape = new Tape();
    for (let seq = 0; seq < 5; seq++) {
      tape.packet({ ...PING, id: seq, icmpSeq: seq }).egress(CLIENT_ETH0);
    }
    expect(joinAll(tape).map((path) => path.icmpSeq)).toEqual([0, 1, 2, 3, 4]);
  });
});

describe('ICMP errors', () => {
  test('name the packet that they quote', () => {
    const tape = new Tape();
    tape
      .packet({
        proto: 'icmp',
        src: ADDRESSES.node111,
        dst: ADDRESSES.pod1,
        icmpType: 3,
        icmpCode: 4,
        icmpMtu: 1480,
        quoted: { ...DIRECT, payload: 1400 },
      })
      .egress(CALI1);
    const path = onlyPath(tape);
    expect(path).toMatchObject({ icmpType: 3, icmpCode: 4, icmpMtu: 1480 });
    expect(path.quoted).toMatchObject({
      src: ADDRESSES.pod1,
      dst: ADDRESSES.pod2,
      sport: 38610,
      dport: 80,
      protocol: 6,
    });
  });
});
