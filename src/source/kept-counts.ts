import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { adoptLink, adoptMap, BpfError, type BpfMap, type Link } from 'ebpf-ts';
import { HopscopeError } from '../model/errors.js';
import * as layout from '../wire/count-layout.gen.js';
import type { CountedDevice } from './counted-devices.js';
import type { DescriptorStore, StoredDescriptor } from './descriptor-store.js';

/** Maps that hold what was counted, shared by all objects of one counter. */
export const SHARED_MAPS = ['counts', 'tallies', 'fragments', 'ended'] as const;
export type SharedMap = (typeof SHARED_MAPS)[number];

/** Raise it when an entry's meaning changes and its layout does not. */
const MEANING = 1;
const MAP_NAME = /^counts-([0-9a-f]{8})-([a-z]+)$/u;
const DEVICE_NAME = /^tcx-([0-9a-z]{1,7})-([0-9a-z]{1,6})-([pu])$/u;
const DIGITS = 36;

/**
 * What an earlier process counted cannot be gone on with: `COUNTS_LAYOUT` when it was of another
 * version or size, `COUNTS_NOT_WHOLE` when something of it is missing or something else.
 */
export class KeptCountsError extends HopscopeError {}

/** A device that is counted on, and the links of its programs: ingress, egress. */
export interface KeptDevice {
  readonly device: CountedDevice;
  readonly links: readonly [Link, Link];
}

/** What was left by the process that counted before. */
export interface KeptCounts {
  readonly maps: Readonly<Record<SharedMap, BpfMap>>;
  readonly devices: readonly KeptDevice[];
}

let fingerprint: string | null = null;

/** Of what entries look like and mean. */
function layoutName(): string {
  fingerprint ??= createHash('sha256')
    .update(
      JSON.stringify([MEANING, ...Object.entries(layout).sort(([a], [b]) => (a < b ? -1 : 1))]),
    )
    .digest('hex')
    .slice(0, 8);
  return fingerprint;
}

export function mapName(map: SharedMap): string {
  return `counts-${layoutName()}-${map}`;
}

/** Short, since the names of all that is kept have to fit into one variable of the environment. */
export function deviceName({ netns, ifindex, role }: CountedDevice): string {
  return `tcx-${netns.toString(DIGITS)}-${ifindex.toString(DIGITS)}-${role === 'pod' ? 'p' : 'u'}`;
}

function deviceOf(name: string): CountedDevice | null {
  const [, netns, ifindex, role] = DEVICE_NAME.exec(name) ?? [];
  if (netns === undefined || ifindex === undefined) return null;
  return {
    netns: Number.parseInt(netns, DIGITS),
    ifindex: Number.parseInt(ifindex, DIGITS),
    role: role === 'p' ? 'pod' : 'uplink',
    // Needed by what attaches, and this is attached.
    path: '',
    peer: null,
  };
}

/**
 * Takes what an earlier process left; null where there is nothing to go on with, which is reported
 * to the store when something was there. Descriptors with other names are left alone.
 *
 * @param limit entries of the table
 */
export async function takeKept(store: DescriptorStore, limit: number): Promise<KeptCounts | null> {
  const byName = new Map<string, StoredDescriptor[]>();
  for (const stored of store.take()) {
    const { name } = stored;
    if (MAP_NAME.test(name) || DEVICE_NAME.test(name)) {
      byName.set(name, [...(byName.get(name) ?? []), stored]);
    }
  }
  if (byName.size === 0) return null;
  const devices: KeptDevice[] = [];
  for (const [name, stored] of byName) {
    const device = deviceOf(name);
    if (device === null) continue;
    const kept = keptDevice(device, stored);
    if (kept === null) await forgetLinks(store, name, stored);
    else devices.push(kept);
  }
  try {
    return { maps: keptMaps(byName, limit), devices };
  } catch (error) {
    if (!(error instanceof KeptCountsError)) throw error;
    await discard(store, devices, byName.keys());
    store.refused(error);
    return null;
  }
}

/** Detaches what was left, and has nothing of it kept any more. */
export async function discard(
  store: DescriptorStore,
  devices: readonly KeptDevice[],
  names: Iterable<string>,
): Promise<void> {
  for (const { links } of devices) {
    await Promise.all(links.map((link) => link.detachForAll()));
  }
  for (const name of names) store.forget(name);
}

/** Where nothing is to be counted: what was left is detached. */
export async function discardKept(store: DescriptorStore, limit: number): Promise<void> {
  const kept = await takeKept(store, limit);
  if (kept !== null) await discardCounts(store, kept);
}

export function discardCounts(store: DescriptorStore, { devices }: KeptCounts): Promise<void> {
  const names = devices.map(({ device }) => deviceName(device));
  return discard(store, devices, [...names, ...SHARED_MAPS.map(mapName)]);
}

function keptMaps(
  byName: ReadonlyMap<string, readonly StoredDescriptor[]>,
  limit: number,
): KeptCounts['maps'] {
  const other = [...byName.keys()].find(
    (name) => MAP_NAME.test(name) && MAP_NAME.exec(name)?.[1] !== layoutName(),
  );
  if (other !== undefined) {
    const what = 'the counts that were kept are of another version of hopscope';
    throw new KeptCountsError('COUNTS_LAYOUT', `${what} (${other})`);
  }
  const [counts, tallies, fragments, ended] = SHARED_MAPS.map((map) =>
    keptMap(map, byName.get(mapName(map)) ?? []),
  );
  if (!counts || !tallies || !fragments || !ended) throw notWhole('a map');
  if (counts.maxEntries !== limit) {
    const message = `the table that was kept has ${counts.maxEntries} entries, not ${limit}`;
    throw new KeptCountsError('COUNTS_LAYOUT', message);
  }
  return { counts, tallies, fragments, ended };
}

function keptMap(name: SharedMap, stored: readonly StoredDescriptor[]): BpfMap {
  const [one, ...more] = stored;
  if (one === undefined || more.length > 0) {
    throw notWhole(`the map ${name} was kept ${stored.length} times`);
  }
  try {
    const map = adoptMap(one.descriptor);
    closeSync(one.descriptor);
    return map;
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    throw notWhole(`the map ${name}: ${error.code}`, error);
  }
}

function notWhole(what: string, cause?: BpfError): KeptCountsError {
  const message = `the counts that were kept are not whole: ${what}`;
  return new KeptCountsError('COUNTS_NOT_WHOLE', message, { cause });
}

/** Null when the two links are not what they should be, or the device is gone. */
function keptDevice(device: CountedDevice, stored: readonly StoredDescriptor[]): KeptDevice | null {
  const links = stored.map(({ descriptor }) => keptLink(descriptor));
  const at = (attachType: number): Link | undefined =>
    links.find((link) => {
      const tcx = link?.info().tcx;
      return tcx?.ifindex === device.ifindex && tcx.attachType === attachType;
    }) ?? undefined;
  const [ingress, egress] = [at(TCX_INGRESS), at(TCX_EGRESS)];
  if (links.length !== 2 || ingress === undefined || egress === undefined) {
    for (const link of links) link?.close();
    return null;
  }
  for (const { descriptor } of stored) closeSync(descriptor);
  return { device, links: [ingress, egress] };
}

/* enum bpf_attach_type */
const TCX_INGRESS = 46;
const TCX_EGRESS = 47;

/** Null when it is none: then it is left alone, as whatever it may be. */
function keptLink(descriptor: number): Link | null {
  try {
    return adoptLink(descriptor);
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    return null;
  }
}

async function forgetLinks(
  store: DescriptorStore,
  name: string,
  stored: readonly StoredDescriptor[],
): Promise<void> {
  for (const { descriptor } of stored) {
    const link = keptLink(descriptor);
    if (link === null) continue;
    closeSync(descriptor);
    await link.detachForAll();
  }
  store.forget(name);
}
