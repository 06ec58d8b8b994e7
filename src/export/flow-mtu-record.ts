import type {
  Direction,
  FlowMtuRecord,
  MtuDeviceRecord,
  MtuEvidenceRecord,
  MtuVanishedRecord,
  MtuWayRecord,
} from 'hopscope-protocol';
import { mtuVerdict } from '../check/mtu-verdict.js';
import { type DirectionIndex, ORIGINAL, REPLY } from '../flow/direction-index.js';
import type { Flow } from '../flow/flow.js';
import type { MtuEvidence } from '../flow/mtu-evidence.js';
import { mtuSeen } from '../flow/mtu-seen.js';
import type { TracedDirection } from '../flow/traced.js';
import type { Device } from '../join/device-table.js';
import type { Names } from '../name/names.js';
import { encapsulationName } from '../packet/encapsulation.js';
import { PROTO_TCP } from '../packet/proto.js';

const NOTHING_HAPPENED = { errors: [], refusals: [], vanished: [], checksums: [] } as const;
const DIRECTIONS = [ORIGINAL, REPLY] as const;

/** What is known of a flow's packet sizes. Bytes are of IP. */
export function flowMtuRecord(flow: Flow): FlowMtuRecord {
  return {
    path: flow.pathMtu > 0 ? flow.pathMtu : null,
    largest: flow.largest,
    verdict: mtuVerdict(mtuSeen(flow)),
  };
}

/** Where that comes from, each way for itself. */
export function mtuEvidenceRecord(flow: Flow, names: Names): MtuEvidenceRecord {
  const evidence = flow.traced?.mtu ?? null;
  return {
    ways: {
      original: wayRecord(flow, ORIGINAL, names),
      reply: wayRecord(flow, REPLY, names),
    },
    ...(evidence === null ? NOTHING_HAPPENED : evidenceRecords(flow, evidence, names)),
  };
}

function wayRecord(flow: Flow, index: DirectionIndex, names: Names): MtuWayRecord | null {
  if (flow.packets(index) === 0) return null;
  const traced = flow.tracedIn(index);
  const path = flow.pathMtuOf(index);
  const largest = flow.largestOf(index);
  const evidence = flow.traced?.mtu ?? null;
  return {
    path: path > 0 ? path : null,
    setBy: traced?.narrowest == null ? null : deviceRecord(traced.narrowest, names),
    largest,
    headroom: path > 0 && largest > 0 ? path - largest : null,
    mss: flow.original.protocol === PROTO_TCP && traced !== null ? mssRecord(traced) : null,
    gsoPackets: String(traced?.gsoPackets ?? 0),
    gsoSegments: String(traced?.gsoSegments ?? 0),
    unassembled: String(evidence?.unassembled[index] ?? 0),
  };
}

function mssRecord({ mss, segment }: TracedDirection): MtuWayRecord['mss'] {
  return {
    offered: mss < 0 ? null : mss,
    effective: segment === 0 ? null : segment,
  };
}

function evidenceRecords(
  flow: Flow,
  evidence: MtuEvidence,
  names: Names,
): Omit<MtuEvidenceRecord, 'ways'> {
  return {
    errors: evidence.errors.map((error) => ({
      direction: directionName(error.direction),
      from: error.from,
      mtu: error.mtu > 0 ? error.mtu : null,
      count: String(error.count),
      arrived: String(error.arrived),
      dropped:
        error.droppedAt === null
          ? null
          : {
              reason: names.reason(error.dropReason ?? 0),
              at: deviceRecord(error.droppedAt, names),
            },
      untranslatedAt:
        error.untranslatedAt === null ? null : deviceRecord(error.untranslatedAt, names),
      obeyed: error.smallerSeen ? 'smaller-seen' : 'told',
      largerAfter: String(error.largerAfter),
    })),
    refusals: evidence.refusals.map((refusal) => ({
      direction: directionName(refusal.direction),
      seenBy: deviceRecord(refusal.seenBy, names),
      refusedBy: refusal.refusedBy === null ? null : deviceRecord(refusal.refusedBy, names),
      reason: names.reason(refusal.reason),
      size: refusal.largest,
      packets: String(refusal.packets),
      told: evidence.isTold(refusal.direction, refusal.largest),
    })),
    vanished: DIRECTIONS.flatMap((index) => vanishedRecord(flow, evidence, index, names)),
    checksums: evidence.badChecksums.map(({ direction, at, tunnel, sentBy, packets }) => ({
      direction: directionName(direction),
      tunnel: encapsulationName(tunnel),
      at: deviceRecord(at, names),
      sentBy: sentBy === null ? null : deviceRecord(sentBy, names),
      packets: String(packets),
    })),
  };
}

function vanishedRecord(
  flow: Flow,
  { vanishing }: MtuEvidence,
  index: DirectionIndex,
  names: Names,
): MtuVanishedRecord[] {
  const each = vanishing[index];
  if (each?.vanished == null) return [];
  const { size, repeats } = each.vanished;
  const last = flow.legs(index).findLast(({ place }) => place.isDevice)?.device ?? null;
  return [
    {
      direction: directionName(index),
      ...{ size, repeats, passed: each.passed > 0 ? each.passed : null },
      seenBy: last === null ? null : deviceRecord(last, names),
    },
  ];
}

function deviceRecord({ netns, inode, ifindex, name, mtu }: Device, names: Names): MtuDeviceRecord {
  const isKnown = ifindex !== 0 && name !== '';
  return {
    netns: names.netns(netns, inode),
    dev: isKnown ? name : null,
    mtu: isKnown && mtu > 0 ? mtu : null,
  };
}

function directionName(index: DirectionIndex): Direction {
  return index === ORIGINAL ? 'original' : 'reply';
}
