import type { EchoResult } from 'ebpf-ts';
import type { HopRecord, MtuDeviceRecord, PathRecord } from 'hopscope-protocol';
import type { ProbeRefusalRecord } from '../model/probe-record.js';
import type { Step, Trace } from '../mtu/step.js';
import type { Device, Machine, Namespace } from '../network/machine.js';
import { familyOf, parseAddress } from '../rules/address.js';

const LINK_HEADER = 14;
/** The machine as it is configured, with the names that traces use. */
export interface Surroundings {
  readonly machine: Machine;
  /** Namespaces by the names that records have for them. */
  readonly byName: ReadonlyMap<string, Namespace>;
  /** The way as devices and routes lead it. */
  readonly way: Trace;
}

/** What stopped a probe, by its own trace, the error that came back, and the devices of the way. */
export function probeRefusal(
  size: number,
  path: PathRecord | null,
  { error, isLocal, from, mtu }: EchoResult,
  around: Surroundings,
): ProbeRefusalRecord {
  const icmp = from === null || error !== 'EMSGSIZE' ? null : { from, mtu };
  if (isLocal && error === 'EMSGSIZE') {
    const own = around.way.steps.find(({ kind }) => kind === 'device');
    const refusedBy = own === undefined ? null : stepRecord(own);
    return { size, seenBy: null, refusedBy, reason: null, location: null, icmp: null, path: null };
  }
  const last = path?.hops.at(-1) ?? null;
  const before = path?.hops.at(-2) ?? null;
  const isDropped = last?.stage === 'drop';
  const seen = isDropped ? (before ?? last) : last;
  return {
    size,
    seenBy: seen === null ? null : hopDevice(seen),
    refusedBy: refuser(size, isDropped ? last : null, before, from, around),
    reason: path?.drop?.reason ?? null,
    location: path?.drop?.location ?? null,
    icmp,
    path: path?.id ?? null,
  };
}

function refuser(
  size: number,
  drop: HopRecord | null,
  before: HopRecord | null,
  from: string | null,
  around: Surroundings,
): MtuDeviceRecord | null {
  if (drop !== null) {
    const found = dropper(drop, before, around, size);
    if (found !== null) return found;
    return narrowIn(around.byName.get(drop.netns) ?? null, size, around);
  }
  const value = parseAddress(from ?? '');
  if (value === null) return null;
  const [owner = null] = around.machine.owners({ family: familyOf(value), value: BigInt(value) });
  return narrowIn(owner, size, around);
}

/** The device that a packet was dropped at, or the other end of its pair, where that takes less. */
function dropper(
  drop: HopRecord,
  before: HopRecord | null,
  { machine, byName }: Surroundings,
  size: number,
): MtuDeviceRecord | null {
  const isFrame = before?.stage === 'egress' || before?.stage === 'ingress';
  const link = isFrame && before?.mac !== null ? LINK_HEADER : 0;
  const bytes =
    before === null || before.len === null || before.gso !== null ? size : before.len - link;
  if (drop.dev !== null && drop.mtu !== null && drop.mtu > 0 && bytes > drop.mtu) {
    return hopDevice(drop);
  }
  const namespace = byName.get(drop.netns);
  const device = namespace?.description.links.find(({ ifindex }) => ifindex === drop.ifindex);
  if (namespace === undefined || device === undefined || before?.ifindex !== drop.ifindex)
    return null;
  const other = machine.other({ namespace, link: device });
  return other !== null && other.link.kind === 'veth' && bytes > other.link.mtu
    ? deviceRecord(other)
    : null;
}

/** The first device that the way leaves this namespace by and that has too little room. */
function narrowIn(
  namespace: Namespace | null,
  size: number,
  { way }: Surroundings,
): MtuDeviceRecord | null {
  const step = way.steps.find(({ device, room }) => device.namespace === namespace && room < size);
  return step === undefined ? null : stepRecord(step);
}

function stepRecord({ device }: Step): MtuDeviceRecord {
  return deviceRecord(device);
}

function deviceRecord({ namespace, link }: Device): MtuDeviceRecord {
  return { netns: namespace.name, dev: link.name, mtu: link.mtu };
}

function hopDevice({ netns, dev, mtu }: HopRecord): MtuDeviceRecord {
  return { netns, dev, mtu };
}
