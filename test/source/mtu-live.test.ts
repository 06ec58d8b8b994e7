import { setTimeout as delay } from 'node:timers/promises';
import type { CostRecord, FaultRecord, FlowRecord } from 'hopscope-protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ipBatch, runCommand, runIn, setSysctls } from '../../src/lab/run-command.js';
import { liveReport } from '../../src/mtu/report.js';
import { hopscope } from '../cli/command-line.js';
import { auditFaults } from '../fixtures/contract.js';
import { udpEcho } from '../scenario/traffic.js';
import * as audited from './audited-net.js';
import {
  A,
  A_IP,
  attempt,
  B,
  B_IP,
  echo,
  flushCaches,
  makeSeenNet,
  ROUTER,
  removeSeenNet,
  send,
  Watch,
  withMtu,
  withRules,
} from './mtu-seen-net.js';

function faultsOf(flows: readonly FlowRecord[]): FaultRecord[] {
  const { faults } = liveReport([], flows, () => null);
  for (const fault of faults) expect(auditFaults(JSON.stringify(fault))).toEqual([]);
  return [...faults];
}

describe('faults that packets show', () => {
  let watch: Watch;
  beforeAll(async () => {
    await makeSeenNet();
    await attempt(A, 'ping', '-c2', '-i0.1', B_IP);
    watch = await Watch.start();
  });
  afterAll(async () => {
    await watch?.stop();
    await removeSeenNet();
  });
  beforeEach(flushCaches);

  it('none where everything fits', async () => {
    expect(faultsOf(await watch.of(send(300_000, 5201)))).toEqual([]);
    expect(faultsOf(await watch.of(() => echo(A, B_IP, 1_500, 3)))).toEqual([]);
  });

  it('none where a sender is told and obeys', async () => {
    const flows = await withMtu(ROUTER, 'rb', 1400, () => watch.of(send(100_000, 5202)));
    expect(flows.map(({ mtu }) => mtu.verdict)).toEqual(['pmtu']);
    expect(faultsOf(flows)).toEqual([]);
  });

  it('none where a socket is told at once', async () => {
    const flows = await withMtu(A, 'a0', 1400, () => watch.of(() => echo(A, B_IP, 1_450)));
    expect(faultsOf(flows)).toEqual([]);
  });

  it('none where packets are lost for another reason, and acknowledgements are slow', async () => {
    const rules = `chain f { type filter hook forward priority 0;
      ip saddr ${A_IP} numgen random mod 100 < 15 drop;
      ip daddr ${A_IP} numgen random mod 100 < 15 drop; }`;
    const flows = await withRules(ROUTER, rules, () => watch.of(send(300_000, 5203)));
    const [flow] = flows;
    expect(Number(flow?.drops.original) + Number(flow?.drops.reply)).toBeGreaterThan(5);
    expect(flow?.mtu.verdict).not.toBe('blackhole');
    expect(faultsOf(flows)).toEqual([]);
  }, 120_000);

  it('a black hole, with both devices and all flows', async () => {
    const flows = await withMtu(ROUTER, 'ra', 1400, async () => {
      // What passes the device shows its new MTU.
      await echo(A, B_IP, 1_000);
      return watch.of(async () => {
        await echo(A, B_IP, 1_450, 2);
        await echo(A, B_IP, 1_470, 2);
      });
    });
    expect(faultsOf(flows)).toMatchObject([
      {
        ...{ id: 'blackhole', severity: 'error', netns: ROUTER, dev: 'ra', flows: 2 },
        peer: { netns: A, dev: 'a0' },
        found: { mtu: 1400, sentByMtu: 1500 },
        evidence: ['seen'],
        remedy: `ip -n ${A} link set dev a0 mtu 1400`,
      },
    ]);
  });

  it('TCP that vanishes without a drop that is seen', async () => {
    // Beyond the watched namespaces.
    await watch.stop();
    watch = await Watch.start([A]);
    const rules = `chain f { type filter hook forward priority 0; ip saddr ${A_IP} ip length > 1200 drop; }`;
    const flows = await withRules(ROUTER, rules, () =>
      watch.of(() => Promise.race([send(100_000, 5204)().catch(() => 0), delay(8_000)])),
    );
    await watch.stop();
    watch = await Watch.start();
    expect(faultsOf(flows)).toMatchObject([
      { id: 'blackhole', netns: A, dev: 'a0', found: { packet: 1500 }, flows: 1 },
    ]);
    expect(faultsOf(flows)[0]?.remedy).toBe(`hopscope mtu --probe ${A_IP} ${B_IP}`);
  }, 60_000);

  it('an error that is dropped, beside the black hole that it makes', async () => {
    const rules = 'chain o { type filter hook output priority 0; icmp code frag-needed drop; }';
    const flows = await withMtu(ROUTER, 'rb', 1400, () =>
      withRules(ROUTER, rules, () => watch.of(() => echo(A, B_IP, 1_450, 2))),
    );
    const faults = faultsOf(flows);
    expect(faults.map(({ id }) => id).sort()).toEqual(['blackhole', 'icmp-dropped']);
    const dropped = faults.find(({ id }) => id === 'icmp-dropped');
    expect(dropped).toMatchObject({
      ...{ netns: ROUTER, found: { reason: 'NETFILTER_DROP', mtu: 1400 }, flows: 1 },
    });
    // The rule that was read is the same fault.
    const configured = { ...(dropped as FaultRecord), evidence: ['rule'], flows: null } as const;
    const both = liveReport([configured], flows, () => null).faults;
    expect(both.filter(({ id }) => id === 'icmp-dropped')).toMatchObject([
      { evidence: ['rule', 'seen'], flows: 1 },
    ]);
  });

  it('fragments, and those that wait in vain', async () => {
    const text = 'hopscope'.repeat(400);
    const sent = await watch.of(() => udpEcho(A, 40_205, B_IP, text));
    expect(faultsOf(sent)).toMatchObject([
      { id: 'fragments', severity: 'warning', found: { mtu: 1500, reassembled: true } },
    ]);
    await setSysctls(B, ['net/ipv4/ipfrag_time=1']);
    const rules =
      'chain f { type filter hook forward priority 0; ip frag-off & 0x1fff != 0 drop; }';
    const lost = await withRules(ROUTER, rules, () =>
      watch.of(async () => {
        await udpEcho(A, 40_206, B_IP, text);
        await delay(1_500);
      }),
    );
    expect(faultsOf(lost)).toMatchObject([
      { id: 'fragments', severity: 'error', found: { reassembled: false } },
    ]);
  });

  it('hopscope mtu --duration adds them to what is configured', async () => {
    const watching = hopscope(
      ...['mtu', '--duration', '6s', '--json', '--netns', A, '--netns', B, '--netns', ROUTER],
    );
    await withMtu(ROUTER, 'ra', 1400, async () => {
      let isOver = false;
      void watching.then(() => {
        isOver = true;
      });
      while (!isOver) {
        await echo(A, B_IP, 1_000);
        await echo(A, B_IP, 1_450);
      }
      const { status, out, err } = await watching;
      expect(err).toBe('');
      expect(status).toBe(1);
      const records = out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as FaultRecord);
      expect(records.filter(({ id }) => id === 'blackhole')).toMatchObject([
        { netns: ROUTER, dev: 'ra', evidence: ['seen'] },
      ]);
      for (const line of out.trimEnd().split('\n')) expect(auditFaults(line)).toEqual([]);
    });
  }, 60_000);
});

/** Has a device's checksums computed by software, as `ethtool -K DEV tx off` does (ETHTOOL_STXCSUM). */
async function computeChecksums(netns: string, dev: string): Promise<void> {
  const program = `use Socket; socket(S, AF_INET, SOCK_DGRAM, 0) or die;
    $off = pack("LL", 0x17, 0); $request = pack("a16 P x16", "${dev}", $off);
    ioctl(S, 0x8946, $request) or die $!;`;
  await runCommand('ip', ['netns', 'exec', netns, 'perl', '-e', program]);
}

describe('a tunnel', () => {
  let watch: Watch;
  const [node, other] = [audited.A, audited.B];
  beforeAll(async () => {
    await audited.makeAuditedNet();
    for (const [netns, local, remote, end] of [
      [node, '192.0.2.1', '192.0.2.2', 1],
      [other, '192.0.2.2', '192.0.2.1', 2],
    ] as const) {
      await computeChecksums(netns, 'up0');
      await ipBatch(netns, [
        'link del vx0',
        `link add vx0 mtu ${audited.INNER} type vxlan id 42 dstport 4789 local ${local} remote ${remote} udpcsum`,
        `address add 10.9.0.${end}/32 dev vx0`,
        'link set vx0 up',
        `route add 10.20.${3 - end}.0/24 via 10.9.0.${3 - end} dev vx0 onlink`,
      ]);
    }
    await attempt(audited.P1, 'ping', '-c2', '-i0.1', audited.POD2);
    watch = await Watch.start();
  });
  afterAll(async () => {
    await watch?.stop();
    await audited.removeAuditedNet();
  });

  it('whose outer checksums are wrong where they arrive', async () => {
    const rules =
      'chain p { type filter hook prerouting priority -300; udp dport 4789 udp checksum set 0x1234; }';
    await runIn(other, 'nft', [`table ip live {\n${rules}\n}`]);
    const flows = await watch.of(() => echo(audited.P1, audited.POD2, 500, 2));
    await runIn(other, 'nft', ['delete table ip live']);
    expect(faultsOf(flows)).toMatchObject([
      {
        ...{ id: 'bad-outer-checksum', severity: 'error', netns: node, dev: 'vx0', flows: 1 },
        peer: { netns: other, dev: 'up0' },
        remedy: `ip netns exec ${node} ethtool -K vx0 tx-checksum-ip-generic off`,
      },
    ]);
  });

  it('costs what its headers take on the wire', async () => {
    const flows = await watch.of(() => echo(audited.P1, audited.POD2, 1_028, 4));
    const { faults, costs } = liveReport([], flows, () => null);
    expect(faults).toEqual([]);
    const [all] = costs.filter(({ by }) => by === 'encapsulation');
    // Eight packets: 1,000 bytes of payload, 28 of headers, 50 of VXLAN, 14 of Ethernet.
    const expected: Partial<CostRecord> = {
      ...{ encapsulation: 'vxlan+50', flows: 1, packets: '8' },
      ...{ payload: '8000', wire: '8736', overhead: '400', ratio: 1.092 },
    };
    expect(all).toMatchObject(expected);
    const saved = all?.alternatives.map(({ what, saved: bytes }) => [what, bytes]);
    expect(saved).toEqual([
      ['none', '400'],
      ['ipip', '240'],
      ['wireguard', '-80'],
      ['jumbo', '0'],
    ]);
  });
});
