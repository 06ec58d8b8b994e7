import { setTimeout as delay } from 'node:timers/promises';
import { probe } from 'ebpf-ts';
import type { HopRecord, PathRecord } from 'hopscope-protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { OBSERVED_PRIORITIES } from '../../src/name/netfilter-table.js';
import { Pipeline } from '../../src/pipeline.js';
import type { HookInstrument } from '../../src/source/hook-programs.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import {
  CLIENT,
  makeRouter,
  REFUSED_PORT,
  ROUTER,
  removeRouter,
  SERVER,
  SERVER_PORT,
  SERVICE,
  sendDatagram,
} from './router.js';
import { TRACER_OBJECT } from './tracer-object.js';

const { fentry, netfilterLink } = probe();
const best: HookInstrument = netfilterLink.available
  ? 'link'
  : fentry.available
    ? 'fentry'
    : 'none';

interface Seen {
  readonly hooks: HookInstrument;
  readonly missing: readonly string[];
  readonly paths: readonly PathRecord[];
}

/** A ping, a datagram to the service and one that is dropped, as one instrument sees them. */
async function watch(hooks?: HookInstrument): Promise<Seen> {
  const source = new KernelSource({
    objectFile: TRACER_OBJECT,
    netns: [CLIENT.netns, ROUTER.netns, SERVER.netns],
    ...(hooks === undefined ? {} : { hooks }),
  });
  const paths: PathRecord[] = [];
  const pipeline: Pipeline = new Pipeline(source, {
    namespaceFiltered: true,
    onPath: (finished) => paths.push(pipeline.pathRecord(finished)),
  });
  await pipeline.start();
  const seen = { hooks: source.hooks, missing: source.missing, paths };
  await runIn(CLIENT.netns, 'ping', ['-n', '-c', '1', '-W', '2', SERVER.address]);
  await sendDatagram(SERVICE.address, SERVICE.port);
  await sendDatagram(SERVER.address, REFUSED_PORT);
  await delay(500);
  await pipeline.stop();
  return seen;
}

function pathTo(seen: Seen, proto: string, dst: string, port: number | null): PathRecord {
  const found = seen.paths.filter(({ hops }) => {
    const tuple = hops[0]?.tuple;
    return tuple?.proto === proto && tuple.dst === dst && tuple.dport === port;
  });
  expect(found.length, `paths of ${proto} to ${dst}`).toBe(1);
  return found[0] as PathRecord;
}

/** What the router's hooks saw: hook, priority, and the destination at that moment. */
function atHooks(path: PathRecord, netns: string): string[] {
  return path.hops
    .filter((hop) => hop.netns === netns && hop.stage === 'netfilter')
    .map(({ hook, priority, tuple }) => `${hook} ${priority} ${tuple?.dst}:${tuple?.dport}`);
}

function devices(path: PathRecord): string[] {
  return path.hops
    .filter(({ stage }) => stage === 'egress' || stage === 'ingress')
    .map((hop: HopRecord) => `${hop.netns} ${hop.dev} ${hop.stage}`);
}

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await removeRouter();
  await makeRouter();
});
afterAll(removeRouter);

describe('by default', () => {
  let seen: Seen;
  beforeAll(async () => {
    seen = await watch();
  });

  it(`hooks are seen by ${best} here, and what is missing is said`, () => {
    expect(seen.hooks).toBe(best);
    expect(seen.missing.length).toBe(best === 'none' ? 1 : 0);
  });

  it.skipIf(best === 'none')('a translation shows between its places, in order, once each', () => {
    const path = pathTo(seen, 'udp', SERVICE.address, SERVICE.port);
    const to = (address: string, port: number) => (place: string) => `${place} ${address}:${port}`;
    const untouched = to(SERVICE.address, SERVICE.port);
    const translated = to(SERVER.address, SERVER_PORT);
    const places = atHooks(path, ROUTER.netns);
    for (const place of [
      untouched('prerouting -301'),
      untouched('prerouting -101'),
      translated('prerouting -99'),
      translated('forward -151'),
      translated('forward -1'),
      translated('forward 1'),
      translated('postrouting 97'),
      translated('postrouting 101'),
    ]) {
      expect(places).toContain(place);
    }
    expect(new Set(places).size).toBe(places.length);
    for (const hook of ['prerouting', 'forward', 'postrouting'] as const) {
      const priorities = places
        .filter((place) => place.startsWith(`${hook} `))
        .map((place) => Number(place.split(' ')[1]));
      const known = OBSERVED_PRIORITIES[hook].map(({ priority }) => priority);
      expect(known.filter((priority) => priorities.includes(priority))).toEqual(priorities);
    }
  });

  it.skipIf(best === 'none')('a drop names hook and table', () => {
    const path = pathTo(seen, 'udp', SERVER.address, REFUSED_PORT);
    expect(path.verdict).toBe('dropped');
    expect(path.drop).toMatchObject({ hook: 'forward', table: 'route' });
  });

  it.skipIf(best === 'none')('a packet is delivered where no rule is, too', () => {
    const path = pathTo(seen, 'icmp', SERVER.address, null);
    expect(path.verdict).toBe('delivered');
    expect(atHooks(path, SERVER.netns).at(-1)).toMatch(/^input 101 /);
  });
});

const both = netfilterLink.available && fentry.available;
const why = both ? '' : ` (this kernel has not both: ${netfilterLink.reason ?? fentry.reason})`;

it.skipIf(!both)(`by fentry the same is seen as by links${why}`, async () => {
  const byLink = await watch('link');
  const byFentry = await watch('fentry');
  expect([byLink.hooks, byFentry.hooks]).toEqual(['link', 'fentry']);
  for (const [proto, address, port] of [
    ['icmp', SERVER.address, null],
    ['udp', SERVICE.address, SERVICE.port],
    ['udp', SERVER.address, REFUSED_PORT],
  ] as const) {
    const [link, walk] = [byLink, byFentry].map((seen) => pathTo(seen, proto, address, port));
    if (link === undefined || walk === undefined) throw new Error('unreachable');
    expect(devices(walk)).toEqual(devices(link));
    expect([walk.verdict, walk.drop]).toEqual([link.verdict, link.drop]);
    // Places that nothing lies between are one to a walk.
    const places = atHooks(link, ROUTER.netns);
    expect(places.filter((place) => atHooks(walk, ROUTER.netns).includes(place))).toEqual(
      atHooks(walk, ROUTER.netns),
    );
  }
});

it('without links and without fentry there are devices, and hooks are said to be missing', async () => {
  // Where the kernel forbids fentry, asking for it is the same.
  const seen = await watch(fentry.available ? 'none' : 'fentry');
  expect(seen.hooks).toBe('none');
  expect(seen.missing.length).toBe(1);
  expect(seen.missing[0]).toMatch(/netfilter hooks are not seen/);
  if (!fentry.available) expect(seen.missing[0]).toContain(fentry.reason?.split(' ')[0]);
  const path = pathTo(seen, 'icmp', SERVER.address, null);
  expect(devices(path)).toEqual([
    `${CLIENT.netns} eth0 egress`,
    `${ROUTER.netns} client0 ingress`,
    `${ROUTER.netns} server0 egress`,
    `${SERVER.netns} eth0 ingress`,
  ]);
  expect(path.hops.some(({ stage }) => stage === 'netfilter')).toBe(false);
});
