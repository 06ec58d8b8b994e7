import { setTimeout as delay } from 'node:timers/promises';
import type { FlowRecord, PathRecord } from 'hopscope-protocol';
import { ALL_NETNS } from '../../src/lab/topology.js';
import { Capture } from './capture.js';
import { isLinkTalk } from './frame.js';
import { Observer } from './observer.js';
import type { CapturedFrame } from './tcpdump-text.js';

/** One fragment of traffic, as tcpdump and hopscope saw it. */
export interface Scene {
  /** The devices tcpdump listened on. */
  readonly places: readonly string[];
  readonly captured: readonly CapturedFrame[];
  /** Every packet that was seen inside the lab, talk of links aside. */
  readonly paths: readonly PathRecord[];
  /** The same of ARP, and of what IPv6 has instead. */
  readonly arpPaths: readonly PathRecord[];
  /** The newest record of every flow that was seen inside the lab. */
  readonly flows: readonly FlowRecord[];
}

/** Nothing of a packet is under way any more by then. */
const QUIET_MS = 200;

const isOfConnection = ({ frame: { proto, icmp } }: CapturedFrame): boolean =>
  !isLinkTalk(proto, icmp?.type);

/** As long as a lab is up. */
let observing: { readonly observer: Observer; readonly capture: Capture } | null = null;

/**
 * Observes `traffic` with everything there is; tcpdump on each of `places`, of whose
 * frames those are kept that are `wanted`.
 */
export async function observe(
  places: readonly string[],
  traffic: () => Promise<unknown>,
  wanted: (captured: CapturedFrame) => boolean = isOfConnection,
): Promise<Scene> {
  observing ??= { observer: await Observer.start(), capture: new Capture() };
  const { observer, capture } = observing;
  await capture.cover(places);
  await Promise.all([capture.begin(places), observer.begin()]);
  const begin = BigInt(Date.now()) * 1_000_000n;
  await traffic();
  await delay(QUIET_MS);
  // What comes while the two are asked, one of them alone would have.
  const end = BigInt(Date.now()) * 1_000_000n;
  const captured = await capture.frames(places);
  const { paths, flows } = await observer.records();
  const lab = paths.filter((path) => isInLab(path) && BigInt(path.start) < end);
  return {
    places,
    captured: captured.filter((one) => one.time < end && wanted(one)),
    paths: lab.filter((path) => !isLinkPath(path)),
    arpPaths: lab.filter(isLinkPath),
    flows: flows.filter(
      ({ start, legs }) =>
        BigInt(start) >= begin && legs.some(({ netns }) => ALL_NETNS.includes(netns)),
    ),
  };
}

/** To be called before the lab goes. */
export async function stopObserving(): Promise<void> {
  const was = observing;
  observing = null;
  await was?.capture.stop();
  await was?.observer.stop();
}

function isLinkPath({ hops }: PathRecord): boolean {
  const tuple = hops[0]?.tuple;
  return isLinkTalk(tuple?.proto, tuple?.icmp?.type);
}

/** Other things on this machine may talk meanwhile, on its loopback for one. */
function isInLab({ hops }: PathRecord): boolean {
  return hops.some(({ netns }) => ALL_NETNS.includes(netns));
}
