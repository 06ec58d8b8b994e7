import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ipBatch, runIn } from '../../src/lab/run-command.js';
import type { ProbeRecord } from '../../src/model/probe-record.js';
import { type Ended, hopscope, MAIN, run } from '../cli/command-line.js';
import {
  A,
  A_IP,
  B,
  B_IP,
  flushCaches,
  makeSeenNet,
  ROUTER,
  removeSeenNet,
} from './mtu-seen-net.js';

beforeAll(makeSeenNet);
afterAll(removeSeenNet);
beforeEach(flushCaches);

function probe(...args: readonly string[]): Promise<Ended> {
  return hopscope('mtu', '--probe', '--log-level', 'error', ...args);
}

/** Both directions. */
async function probed(...args: readonly string[]): Promise<ProbeRecord[]> {
  const { out, err } = await probe('--json', ...args);
  expect(err).toBe('');
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as ProbeRecord);
}

async function within<T>(
  set: () => Promise<unknown>,
  back: () => Promise<unknown>,
  look: () => Promise<T>,
) {
  await set();
  try {
    return await look();
  } finally {
    await back();
  }
}

function withMtu<T>(netns: string, dev: string, mtu: number, look: () => Promise<T>): Promise<T> {
  const set = (bytes: number) => ipBatch(netns, [`link set ${dev} mtu ${bytes}`]);
  return within(
    () => set(mtu),
    () => set(1500),
    look,
  );
}

function withRules<T>(netns: string, rules: string, look: () => Promise<T>): Promise<T> {
  return within(
    () => runIn(netns, 'nft', [`table ip probed {\n${rules}\n}`]),
    () => runIn(netns, 'nft', ['delete table ip probed']),
    look,
  );
}

describe('what passes', () => {
  it('is what a healthy way is configured for, both ways, in two probes each', async () => {
    const [there, back] = await probed(A, B);
    expect(there).toMatchObject({
      src: { netns: A, address: A_IP },
      dst: { netns: B, address: B_IP },
      configured: 1500,
      largest: 1500,
      refused: { size: 1501, seenBy: null, refusedBy: { netns: A, dev: 'a0', mtu: 1500 } },
      probes: [
        { size: 1500, outcome: 'passed', answered: true },
        { size: 1501, outcome: 'refused' },
      ],
    });
    expect(back).toMatchObject({ src: { netns: B }, dst: { netns: A }, largest: 1500 });
    const { status, out } = await probe(A, B_IP);
    expect(status).toBe(0);
    expect(out).toContain(`${A} ${A_IP} → ${B} ${B_IP}  1500 bytes pass, as the way is configured`);
  });

  it('up to a device that the router says is too small', async () => {
    const [there] = await withMtu(ROUTER, 'rb', 1400, () => probed(A_IP, B_IP));
    expect(there).toMatchObject({
      ...{ configured: 1400, largest: 1400 },
      refused: {
        size: 1401,
        seenBy: { netns: ROUTER, dev: 'ra', mtu: 1500 },
        refusedBy: { netns: ROUTER, dev: 'rb', mtu: 1400 },
        reason: 'PKT_TOO_BIG',
        icmp: { from: '10.31.1.1', mtu: 1400 },
      },
    });
    expect(there?.probes).toHaveLength(2);
  });

  it('up to the other end of a pair, which says nothing', async () => {
    const [there] = await withMtu(ROUTER, 'ra', 1400, () => probed(A, `${B}@${B_IP}`));
    // A veth takes four bytes more, for a VLAN tag that is not there (__is_skb_forwardable).
    expect(there).toMatchObject({
      ...{ configured: 1400, largest: 1404 },
      refused: {
        size: 1405,
        seenBy: { netns: A, dev: 'a0', mtu: 1500 },
        refusedBy: { netns: ROUTER, dev: 'ra', mtu: 1400 },
        icmp: null,
      },
    });
  });

  it('less than configured: status 1, and where it was dropped', async () => {
    const rules = `chain f { type filter hook forward priority 0; ip daddr ${B_IP} ip length > 1000 drop; }`;
    const [status, there, back] = await withRules(ROUTER, rules, async () => {
      const { status, out } = await probe('--json', A, B);
      const [first, second] = out
        .split('\n')
        .map((line) => line && (JSON.parse(line) as ProbeRecord));
      return [status, first, second] as const;
    });
    expect(status).toBe(1);
    expect(there).toMatchObject({
      ...{ configured: 1500, largest: 1000 },
      refused: {
        ...{ size: 1001, refusedBy: null, reason: 'NETFILTER_DROP', icmp: null },
        seenBy: { netns: ROUTER },
      },
    });
    // What comes back is not what goes there.
    expect(back).toMatchObject({ largest: 1500, probes: [{ size: 1500, answered: false }, {}] });
  }, 120_000);
});

describe('errors', () => {
  it.each([
    [['--json'], 2, 'MTU_USAGE'],
    [[A], 2, 'MTU_USAGE'],
    [[A, B, A], 2, 'MTU_USAGE'],
    [['--netns', A, A, B], 2, 'MTU_USAGE'],
    [['nobody', B], 2, 'PROBE_NO_SUCH_NAME'],
    [[A, 'nobody'], 2, 'PROBE_NO_SUCH_NAME'],
    [[`${A}@${B_IP}`, B], 2, 'PROBE_NO_ADDRESS'],
    [[A, 'fd00::1'], 2, 'PROBE_NO_ADDRESS'],
    [['10.31.9.9', B], 2, 'PROBE_NOT_HERE'],
    [['127.0.0.1', B], 2, 'PROBE_AMBIGUOUS'],
  ])('%j: status %i, %s', async (args, status, code) => {
    const ended = await probe(...args);
    expect(ended.err).toContain(`[${code}]`);
    expect([ended.status, ended.out]).toEqual([status, '']);
  });

  it('no route', async () => {
    const { status, err } = await within(
      () => ipBatch(A, ['route del default']),
      () => ipBatch(A, ['route add default via 10.31.1.1']),
      () => probe(A, B),
    );
    expect(err).toContain(`${A} has no route to ${B_IP}`);
    expect(err).toContain('[PROBE_NO_ROUTE]');
    expect(status).toBe(1);
  });

  it('no answer at any size, and where it was dropped', async () => {
    const rules = 'chain f { type filter hook forward priority 0; icmp type echo-request drop; }';
    const { status, err } = await withRules(ROUTER, rules, () => probe(A, B));
    expect(err).toMatch(/last seen at hs-seen-r\/r[ab].*NETFILTER_DROP \[PROBE_NO_ANSWER\]/u);
    expect(status).toBe(1);
  });

  it('what the sender’s own rules drop', async () => {
    const rules = 'chain o { type filter hook output priority 0; icmp type echo-request drop; }';
    const { err } = await withRules(A, rules, () => probe(A, B));
    expect(err).toContain('[PROBE_DROPPED]');
  });

  it('not permitted: status 3 with the remedy', async () => {
    const { status, err } = await run('setpriv', [
      ...['--reuid=65534', '--regid=65534', '--clear-groups'],
      ...[process.execPath, MAIN, 'mtu', '--probe', A, B],
    ]);
    expect(err).toContain('[NAMESPACES_NOT_PERMITTED]');
    expect(status).toBe(3);
  });
});
