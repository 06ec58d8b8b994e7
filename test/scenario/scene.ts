import { setTimeout as delay } from 'node:timers/promises';
import { ALL_NETNS } from '../../src/lab/topology.js';
import type { FlowRecord, PathRecord } from '../../src/model/records.js';
import { Capture } from './capture.js';
import { HopscopeProcess } from './hopscope-process.js';
import type { CapturedFrame } from './tcpdump-text.js';

/** One piece of traffic, as tcpdump, `hopscope trace` and `hopscope flows` saw it. */
export interface Scene {
  /** The devices tcpdump listened on. */
  readonly places: readonly string[];
  readonly captured: readonly CapturedFrame[];
  /** Every packet that was seen inside the lab, ARP aside. */
  readonly paths: readonly PathRecord[];
  /** The same of ARP. */
  readonly arpPaths: readonly PathRecord[];
  /** The newest record of every flow that was seen inside the lab. */
  readonly flows: readonly FlowRecord[];
}

/** Nothing of a packet is under way any more by then. */
const QUIET_MS = 200;

/** Observes `traffic` with everything there is; tcpdump on each of `places`. */
export async function observe(
  places: readonly string[],
  traffic: () => Promise<unknown>,
  filter = 'not arp',
): Promise<Scene> {
  const [trace, flows, capture] = await Promise.all([
    HopscopeProcess.ready(['trace', '--json']),
    HopscopeProcess.ready(['flows', '--json']),
    Capture.start(places, filter),
  ]);
  let captured: readonly CapturedFrame[];
  try {
    await traffic();
    await delay(QUIET_MS);
  } finally {
    captured = await capture.stop();
    await Promise.all([trace.stop(), flows.stop()]);
  }
  for (const { err } of [trace, flows]) {
    // The machine's own packets are decoded too, and are not what is judged here.
    const said = err.replaceAll(/^hopscope: \d+ PACKET_[A-Z_]+\n/gmu, '');
    if (said.trim() !== 'ready') throw new Error(`hopscope complains:\n${err}`);
  }
  const lab = trace.records<PathRecord>().filter(isInLab);
  return {
    places,
    captured,
    paths: lab.filter((path) => path.hops[0]?.tuple?.proto !== 'arp'),
    arpPaths: lab.filter((path) => path.hops[0]?.tuple?.proto === 'arp'),
    flows: newest(flows.records<FlowRecord>()),
  };
}

/** Other things on this machine may talk meanwhile, on its loopback for one. */
function isInLab({ hops }: PathRecord): boolean {
  return hops.some(({ netns }) => ALL_NETNS.includes(netns));
}

function newest(records: readonly FlowRecord[]): FlowRecord[] {
  const byId = new Map(records.map((record) => [record.id, record]));
  return [...byId.values()].filter(({ legs }) =>
    legs.some(({ netns }) => ALL_NETNS.includes(netns)),
  );
}
