import type {
  Direction,
  DropRecord,
  FaultRecord,
  FlowHistoryRecord,
  FlowRecord,
  HopRecord,
  LegRecord,
  MtuReport,
  OuterRecord,
  PathRecord,
  QualityRecord,
  TupleRecord,
} from 'hopscope-protocol';
import type { FlowFeed, NamespaceRecord, RecentPath } from '../../src/model/feed.js';
import { liveReport } from '../../src/mtu/report.js';

/** Wall-clock nanoseconds all fixture times start from. */
export const FIXTURE_EPOCH = 1_795_209_669_857_750_123n;

const POD1 = '10.244.153.204';
const POD3 = '10.244.146.205';
const SERVICE = '10.107.161.255';
const EE = 'ee:ee:ee:ee:ee:ee';

const VXLAN: OuterRecord = {
  type: 'vxlan',
  src: '192.168.100.111',
  dst: '192.168.100.112',
  sport: 51_234,
  dport: 4789,
  vni: 4096,
  overhead: 50,
};

const LATENCY = { count: '40', p50: 28_100, p90: 30_000, p99: 31_900, max: 40_000 };

type HopShape = Partial<HopRecord> & Pick<HopRecord, 'netns' | 'dev' | 'stage'>;

function hop(shape: HopShape): HopRecord {
  return {
    node: 'node111',
    ifindex: 2,
    kind: 'veth',
    hook: null,
    priority: null,
    len: 74,
    mtu: 1450,
    gso: null,
    mac: null,
    outer: null,
    tuple: null,
    ttl: 64,
    mark: '0x0',
    ct: null,
    sincePrevNs: null,
    ...shape,
  };
}

function tcp(src: string, sport: number, dst: string, dport: number): TupleRecord {
  return { proto: 'tcp', src, dst, sport, dport, icmp: null };
}

/** pod1 to the service, endpoint pod3 on the other node, over VXLAN: scenario S6 of the lab. */
export function servicePath(
  flow: string,
  index: number,
  direction: Direction,
  port: number,
): PathRecord {
  const jitter = (index * 7919) % 900;
  const sent =
    direction === 'original' ? tcp(POD1, port, SERVICE, 8080) : tcp(POD3, 80, POD1, port);
  const translated =
    direction === 'original' ? tcp(POD1, port, POD3, 80) : tcp(SERVICE, 8080, POD1, port);
  const wire = direction === 'original' ? translated : sent;
  const near = direction === 'original' ? 'node111' : 'node112';
  const far = direction === 'original' ? 'node112' : 'node111';
  const pod = direction === 'original' ? 'pod1' : 'pod3';
  const end = direction === 'original' ? 'pod3' : 'pod1';
  const nearDevice = direction === 'original' ? 'calice0906292e2' : 'cali118af4ccd16';
  const farDevice = direction === 'original' ? 'cali118af4ccd16' : 'calice0906292e2';
  const ct = { state: index < 2 ? 'new' : 'established', zone: 0, reply: direction === 'reply' };
  const tunnel = { kind: 'vxlan', ifindex: 7, mtu: 1450 };
  const uplink = { dev: 'ens10', ifindex: 3, mtu: 1500, len: 124 };
  const mac = { src: '52:54:00:dc:c7:b4', dst: '52:54:00:d3:bf:21' };
  const hops = [
    hop({
      node: near,
      netns: pod,
      dev: 'eth0',
      stage: 'egress',
      tuple: sent,
      mac: { src: '32:21:45:c4:c5:d5', dst: EE },
    }),
    hop({
      node: near,
      netns: near,
      dev: nearDevice,
      stage: 'ingress',
      tuple: sent,
      ifindex: 9,
      mac: { src: '32:21:45:c4:c5:d5', dst: EE },
      sincePrevNs: 1800 + jitter,
    }),
    hop({
      node: near,
      netns: near,
      dev: nearDevice,
      stage: 'netfilter',
      hook: 'prerouting',
      priority: -300,
      len: 60,
      tuple: sent,
      sincePrevNs: 420,
    }),
    hop({
      node: near,
      netns: near,
      dev: nearDevice,
      stage: 'netfilter',
      hook: 'prerouting',
      priority: -99,
      len: 60,
      tuple: wire,
      ct,
      sincePrevNs: 3100 + jitter,
    }),
    hop({
      node: near,
      netns: near,
      dev: 'vxlan.calico',
      stage: 'netfilter',
      hook: 'forward',
      priority: 0,
      len: 60,
      ttl: 63,
      tuple: wire,
      ct,
      mark: '0x10000',
      sincePrevNs: 1500,
    }),
    hop({
      node: near,
      netns: near,
      dev: 'vxlan.calico',
      stage: 'netfilter',
      hook: 'postrouting',
      priority: 101,
      len: 60,
      ttl: 63,
      tuple: wire,
      ct,
      sincePrevNs: 900,
    }),
    hop({
      node: near,
      netns: near,
      dev: 'vxlan.calico',
      stage: 'egress',
      ...tunnel,
      ttl: 63,
      tuple: wire,
      mac: { src: '66:11:11:11:11:11', dst: '66:22:22:22:22:22' },
      sincePrevNs: 700 + jitter,
    }),
    hop({
      node: near,
      netns: near,
      stage: 'egress',
      ...uplink,
      ttl: 63,
      tuple: wire,
      outer: VXLAN,
      mac,
      sincePrevNs: 5200 + jitter * 2,
    }),
    hop({
      node: far,
      netns: far,
      stage: 'ingress',
      ...uplink,
      ttl: 63,
      tuple: wire,
      outer: VXLAN,
      mac,
      sincePrevNs: 2400,
    }),
    hop({
      node: far,
      netns: far,
      dev: 'vxlan.calico',
      stage: 'ingress',
      ...tunnel,
      ttl: 63,
      tuple: wire,
      mac: { src: '66:11:11:11:11:11', dst: '66:22:22:22:22:22' },
      sincePrevNs: 3900 + jitter,
    }),
    hop({
      node: far,
      netns: far,
      dev: 'vxlan.calico',
      stage: 'netfilter',
      hook: 'forward',
      priority: 0,
      len: 60,
      ttl: 62,
      tuple: wire,
      sincePrevNs: 1400,
    }),
    hop({
      node: far,
      netns: far,
      dev: farDevice,
      stage: 'egress',
      ttl: 62,
      ifindex: 8,
      tuple: direction === 'reply' ? translated : wire,
      mac: { src: EE, dst: '0a:58:0a:f4:92:cd' },
      sincePrevNs: 1100,
    }),
    hop({
      node: far,
      netns: end,
      dev: 'eth0',
      stage: 'ingress',
      ttl: 62,
      tuple: direction === 'reply' ? translated : wire,
      mac: { src: EE, dst: '0a:58:0a:f4:92:cd' },
      sincePrevNs: 800 + jitter,
    }),
    hop({
      node: far,
      netns: end,
      dev: null,
      ifindex: null,
      kind: null,
      stage: 'deliver',
      ttl: 62,
      len: null,
      mtu: null,
      tuple: direction === 'reply' ? translated : wire,
      sincePrevNs: 2600,
    }),
  ];
  return path(flow, index, direction, hops, null);
}

/** pod1 to pod2, denied by policy in the forward hook: scenario S12. */
export function droppedPath(flow: string, index: number, port: number): PathRecord {
  const tuple = tcp(POD1, port, '10.244.153.201', 80);
  const drop: DropRecord = {
    reason: 'NETFILTER_DROP',
    location: 'nf_hook_slow',
    hook: 'forward',
    table: 'filter',
    tables: ['filter'],
    chain: 'cali-tw-calibd2348b4f67',
    rule: null,
  };
  const hops = [
    hop({
      netns: 'pod1',
      dev: 'eth0',
      stage: 'egress',
      tuple,
      mac: { src: '32:21:45:c4:c5:d5', dst: EE },
    }),
    hop({
      netns: 'node111',
      dev: 'calice0906292e2',
      stage: 'ingress',
      tuple,
      mac: { src: '32:21:45:c4:c5:d5', dst: EE },
      sincePrevNs: 2100,
    }),
    hop({
      netns: 'node111',
      dev: 'calibd2348b4f67',
      stage: 'netfilter',
      hook: 'forward',
      priority: -1,
      len: 60,
      ttl: 63,
      tuple,
      sincePrevNs: 2600,
    }),
    hop({
      netns: 'node111',
      dev: 'calice0906292e2',
      stage: 'drop',
      hook: 'forward',
      len: 60,
      ttl: 63,
      tuple,
      sincePrevNs: 3300,
    }),
  ];
  return path(flow, index, 'original', hops, drop);
}

function path(
  flow: string,
  index: number,
  direction: Direction,
  hops: readonly HopRecord[],
  drop: DropRecord | null,
): PathRecord {
  return {
    type: 'path',
    id: `${flow}-${direction}-${index}`,
    flow,
    direction,
    start: String(FIXTURE_EPOCH + BigInt(index) * 100_000_000n),
    complete: true,
    verdict: drop === null ? 'delivered' : 'dropped',
    drop,
    hops,
  };
}

function legs(paths: readonly PathRecord[], packets: bigint): LegRecord[] {
  return paths.flatMap((path) =>
    path.hops.map((hop) => ({
      direction: path.id.includes('reply') ? ('reply' as const) : ('original' as const),
      node: hop.node,
      netns: hop.netns,
      dev: hop.dev,
      stage: hop.stage,
      hook: hop.hook,
      packets: String(packets),
      bytes: String(packets * 60n),
      latencyNs:
        hop.sincePrevNs === null
          ? null
          : {
              count: String(packets),
              p50: hop.sincePrevNs,
              p90: hop.sincePrevNs * 1.4,
              p99: hop.sincePrevNs * 2,
              max: hop.sincePrevNs * 3,
            },
    })),
  );
}

/** The service flow after `packets` packets each way. */
export function serviceFlow(id: string, packets: number, port = 38_610): FlowRecord {
  const count = BigInt(packets);
  const paths = [
    servicePath(id, packets, 'original', port),
    servicePath(id, packets, 'reply', port),
  ];
  return {
    type: 'flow',
    id,
    state: 'established',
    start: String(FIXTURE_EPOCH),
    last: String(FIXTURE_EPOCH + count * 100_000_000n),
    original: tcp(POD1, port, SERVICE, 8080),
    reply: tcp(POD3, 80, POD1, port),
    nat: { dnat: { dst: POD3, dport: 80 }, snat: null },
    src: { name: 'pod1', kind: 'pod', node: 'node111' },
    dst: { name: 'pod3', kind: 'pod', node: 'node112' },
    service: 'default/nginx-service',
    packets: { original: String(count), reply: String(count) },
    bytes: { original: String(count * 60n), reply: String(count * 600n) },
    legs: legs(paths, count),
    encapsulation: [
      { type: 'vxlan', src: VXLAN.src, dst: VXLAN.dst, vni: VXLAN.vni, overhead: 50 },
    ],
    mtu: { path: 1450, largest: 652, verdict: 'fits' },
    drops: { original: '0', reply: '0', reasons: {} },
    sampled: { paths: String(count * 2n), of: String(count * 2n) },
    lost: '0',
    proxied: { from: null, to: [] },
    verdict: 'delivered',
    latencyNs: { original: LATENCY, reply: LATENCY },
  };
}

export function droppedFlow(id: string, packets: number, port = 40_001): FlowRecord {
  const count = BigInt(packets);
  return {
    ...serviceFlow(id, packets, port),
    state: 'syn-sent',
    original: tcp(POD1, port, '10.244.153.201', 80),
    reply: null,
    nat: { dnat: null, snat: null },
    dst: { name: 'pod2', kind: 'pod', node: 'node111' },
    service: null,
    packets: { original: String(count), reply: '0' },
    bytes: { original: String(count * 60n), reply: '0' },
    legs: legs([droppedPath(id, packets, port)], count),
    encapsulation: [],
    mtu: { path: 1450, largest: 60, verdict: 'unknown' },
    verdict: 'dropped',
    latencyNs: { original: null, reply: null },
    drops: { original: String(count), reply: '0', reasons: { NETFILTER_DROP: String(count) } },
  };
}

/** A feed whose contents the test sets; changes are numbered as the real one does. */
export class FixtureFeed implements FlowFeed {
  readonly #flows = new Map<string, { flow: FlowRecord; at: number }>();
  readonly #paths = new Map<string, PathRecord[]>();
  #removed: { id: string; at: number }[] = [];
  #cursor = 0;
  missing: readonly string[] = [];
  configuredFaults: readonly FaultRecord[] = [];
  /** Times that everything was asked for. */
  requests = 0;

  request(): void {
    this.requests += 1;
  }

  put(flow: FlowRecord, ...newestFirst: PathRecord[]): void {
    this.#cursor += 1;
    this.#flows.set(flow.id, { flow, at: this.#cursor });
    const paths = [...newestFirst, ...(this.#paths.get(flow.id) ?? [])];
    this.#paths.set(flow.id, paths.slice(0, 64));
  }

  remove(id: string): void {
    this.#cursor += 1;
    this.#flows.delete(id);
    this.#paths.delete(id);
    this.#removed.push({ id, at: this.#cursor });
  }

  changedSince(cursor: number): {
    cursor: number;
    flows: readonly FlowRecord[];
    removed: readonly string[];
  } {
    return {
      cursor: this.#cursor,
      flows: [...this.#flows.values()].filter(({ at }) => at > cursor).map(({ flow }) => flow),
      removed: this.#removed.filter(({ at }) => at > cursor).map(({ id }) => id),
    };
  }

  newestFirst(): readonly { readonly flow: FlowRecord; readonly at: number }[] {
    return [...this.#flows.values()].sort((one, other) => other.at - one.at);
  }

  flow(id: string): FlowRecord | null {
    return this.#flows.get(id)?.flow ?? null;
  }

  history(id: string): FlowHistoryRecord | null {
    return this.#flows.has(id)
      ? { legs: [], fineSeconds: 10, fine: [], coarseSeconds: 60, coarse: [] }
      : null;
  }

  recentPaths(flowId: string, limit: number): readonly RecentPath[] {
    const paths = (this.#paths.get(flowId) ?? []).slice(0, limit);
    return paths.map((path) => ({ id: path.id, record: () => path }));
  }

  quality(): QualityRecord {
    return {
      eventsPerSecond: 1234,
      events: '56789',
      lost: '0',
      evicted: '0',
      skipped: '0',
      losses: { 'ring-full': '0', 'flows-evicted': '7' },
      malformed: { truncated: '2' },
      cpu: 0.031,
      openPaths: 4,
      flows: this.#flows.size,
      missing: this.missing,
    };
  }

  namespaces(): readonly NamespaceRecord[] {
    return [{ name: 'pod1', node: 'node111', inode: 4_026_531_840 }];
  }

  mtu(): MtuReport {
    const flows = this.newestFirst().map(({ flow }) => flow);
    const report = liveReport(this.configuredFaults, flows, () => null);
    return { type: 'mtu', ...report, ways: [], isAudited: true, flows: flows.length };
  }
}
