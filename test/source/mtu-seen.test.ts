import { cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { FlowRecord } from 'hopscope-protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ipBatch, setSysctls } from '../../src/lab/run-command.js';
import { flowFaults } from '../fixtures/contract.js';
import { udpEcho } from '../scenario/traffic.js';
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

/** All that is said of its sizes. */
function shown({ mtu, mtuEvidence }: FlowRecord) {
  return { ...mtu, ...mtuEvidence };
}

function expectPromised(flow: FlowRecord): void {
  expect(flowFaults(JSON.stringify(flow))).toEqual([]);
}

describe('what fits', () => {
  it('each way with its own largest packet, MTU and headroom', async () => {
    const flow = await watch.only(() => echo(A, B_IP, 1_000));
    expectPromised(flow);
    const way = { path: 1500, largest: 1000, headroom: 500, mss: null, gsoPackets: '0' };
    expect(shown(flow)).toMatchObject({ verdict: 'fits', ways: { original: way, reply: way } });
    expect(shown(flow).errors).toEqual([]);
  });

  it('MSS as it is offered, answered and used, also where it is clamped; GSO packets by their segments', async () => {
    const clamp = `chain f { type filter hook forward priority 0;
      tcp flags & (syn|ack) == syn tcp option maxseg size set 1300; }`;
    await ipBatch(A, ['link set a0 gso_max_segs 64']);
    const flow = await withRules(ROUTER, clamp, () => watch.only(send(200_000, 5101)));
    await ipBatch(A, ['link set a0 gso_max_segs 1']);
    expectPromised(flow);
    const { original, reply } = shown(flow).ways ?? {};
    expect(original?.mss).toMatchObject({ offered: 1460 });
    expect(reply?.mss).toMatchObject({ offered: 1460, effective: null });
    // Options take 12 bytes of what the MSS says.
    expect(original?.mss?.effective).toBe(1448);
    expect(original?.largest).toBe(1500);
    expect(Number(original?.gsoPackets)).toBeGreaterThan(0);
    expect(Number(original?.gsoSegments)).toBeGreaterThan(Number(original?.gsoPackets));
    expect(shown(flow).verdict).toBe('fits');
  });
});

describe('a device', () => {
  it('has the MTU it has now, whichever CPU saw the one before', async () => {
    const echoOn = (cpu: number) => () =>
      attempt(A, 'taskset', '-c', `${cpu}`, 'ping', '-n', '-c1', '-W', '0.3', '-s', '972', B_IP);
    const last = cpus().length - 1;
    const mtu = async (cpu: number) => (await watch.only(echoOn(cpu))).mtu.path;
    expect(await mtu(0)).toBe(1500);
    expect(await withMtu(ROUTER, 'ra', 1400, () => mtu(last))).toBe(1400);
    expect(await mtu(0)).toBe(1500);
  });
});

describe('black holes', () => {
  it('the other end of a pair takes less: both are named', async () => {
    const flow = await withMtu(ROUTER, 'ra', 1400, async () => {
      // What passes the device shows its new MTU.
      await echo(A, B_IP, 1_000);
      return watch.only(() => echo(A, B_IP, 1_450, 2));
    });
    expectPromised(flow);
    expect(shown(flow)).toMatchObject({
      verdict: 'blackhole',
      largest: 1450,
      refusals: [
        {
          direction: 'original',
          seenBy: { netns: A, dev: 'a0', mtu: 1500 },
          refusedBy: { netns: ROUTER, dev: 'ra', mtu: 1400 },
          reason: 'NOT_SPECIFIED',
          size: 1450,
          // Nobody answers, so ping goes on.
          packets: flow.drops.original,
          told: false,
        },
      ],
    });
  });

  it('an error that is dropped on its way back reaches nobody', async () => {
    const rules = 'chain o { type filter hook output priority 0; icmp code frag-needed drop; }';
    const flow = await withMtu(ROUTER, 'rb', 1400, () =>
      withRules(ROUTER, rules, () => watch.only(() => echo(A, B_IP, 1_450))),
    );
    expectPromised(flow);
    expect(shown(flow)).toMatchObject({
      verdict: 'blackhole',
      refusals: [{ seenBy: { dev: 'ra' }, refusedBy: null, reason: 'PKT_TOO_BIG', size: 1450 }],
      errors: [
        {
          from: '10.31.1.1',
          mtu: 1400,
          arrived: '0',
          dropped: { reason: 'NETFILTER_DROP', at: { netns: ROUTER } },
          obeyed: 'told',
        },
      ],
    });
  });
});

describe('ICMP errors', () => {
  it('are of the flow that caused them; a sender that obeys sends what fits', async () => {
    const flow = await withMtu(ROUTER, 'rb', 1400, () => watch.only(send(100_000, 5102)));
    expectPromised(flow);
    expect(shown(flow)).toMatchObject({
      verdict: 'pmtu',
      path: 1400,
      ways: { original: { path: 1400, largest: 1500, headroom: -100 } },
      errors: [
        {
          direction: 'original',
          from: '10.31.1.1',
          mtu: 1400,
          dropped: null,
          untranslatedAt: null,
          obeyed: 'smaller-seen',
        },
      ],
    });
    expect(shown(flow).refusals?.map(({ told }) => told)).toEqual([true]);
  });

  it('a sender of which nothing smaller was seen was notified, and no more is claimed', async () => {
    const flow = await withMtu(ROUTER, 'rb', 1400, () => watch.only(() => echo(A, B_IP, 1_450)));
    expect(shown(flow)).toMatchObject({
      verdict: 'pmtu',
      errors: [{ obeyed: 'told', count: '1', arrived: '1', largerAfter: '0' }],
    });
  });

  it('that quote another packet than was sent are ignored: what does not fit goes on', async () => {
    // Translated without conntrack, so nothing translates what an error quotes.
    const rules = `
      chain p { type filter hook prerouting priority -310;
        ip saddr ${A_IP} notrack; ip daddr 10.31.9.9 notrack ip daddr set ${A_IP}; }
      chain q { type filter hook postrouting priority -310; ip saddr ${A_IP} ip saddr set 10.31.9.9; }`;
    await ipBatch(B, ['route add 10.31.9.9 via 10.31.2.1']);
    // The error comes from B, after the translation: its way on has less room.
    await setSysctls(B, ['net/ipv4/ip_forward=1']);
    await ipBatch(B, [
      'link add d0 type veth peer name d1',
      'link set d1 up',
      'link set d0 mtu 1300 up',
      'address add 10.31.7.1/24 dev d0',
    ]);
    try {
      await ipBatch(ROUTER, ['route add 10.31.7.0/24 via 10.31.2.2']);
      const flow = await withRules(ROUTER, rules, () =>
        watch.only(() => echo(A, '10.31.7.9', 1_400, 3)),
      );
      expectPromised(flow);
      expect(shown(flow).errors).toMatchObject([
        { mtu: 1300, untranslatedAt: { netns: A, dev: 'a0' }, obeyed: 'told' },
      ]);
      expect(Number(shown(flow).errors?.[0]?.largerAfter)).toBeGreaterThan(0);
    } finally {
      await ipBatch(ROUTER, ['route del 10.31.7.0/24']);
      await ipBatch(B, ['link del d0', 'route del 10.31.9.9']);
    }
  });
});

describe('fragments', () => {
  it('are of the flow that was cut', async () => {
    const text = 'hopscope'.repeat(400);
    const flow = await watch.only(() => udpEcho(A, 40_003, B_IP, text));
    expectPromised(flow);
    expect(shown(flow).verdict).toBe('fragments');
    expect(shown(flow).ways?.original?.unassembled).toBe('0');
  });

  it('that wait in vain are of the flow they were cut from', async () => {
    await setSysctls(B, ['net/ipv4/ipfrag_time=1']);
    const rules =
      'chain f { type filter hook forward priority 0; ip frag-off & 0x1fff != 0 drop; }';
    const text = 'hopscope'.repeat(400);
    const flow = await withRules(ROUTER, rules, () =>
      watch.only(async () => {
        await udpEcho(A, 40_004, B_IP, text);
        await delay(1_500);
      }),
    );
    expectPromised(flow);
    expect(Number(shown(flow).ways?.original?.unassembled)).toBeGreaterThan(0);
    expect(flow.drops.reasons.FRAG_REASM_TIMEOUT).toBeDefined();
  });
});
