import type { SegmentLossRecord, TcpHealthRecord, TcpWayRecord } from 'hopscope-protocol';
import { type DirectionIndex, ORIGINAL, REPLY } from '../flow/direction-index.js';
import type { Flow } from '../flow/flow.js';
import type { TcpHealth } from '../flow/tcp-health.js';
import type { LostPlace } from '../flow/tcp-way.js';
import type { Names } from '../name/names.js';
import { HOOK_NAMES } from '../name/netfilter-table.js';
import * as layout from '../wire/layout.gen.js';
import { latencyRecord } from './latency-record.js';
import { stageName } from './path-record.js';

/** `null` for what is not TCP, and where no segment was traced. */
export function tcpHealthRecord(flow: Flow, names: Names): TcpHealthRecord | null {
  const tcp = flow.traced?.tcp ?? null;
  if (tcp === null) return null;
  const { closedBy } = tcp;
  return {
    handshake: tcp.synAt < 0 ? null : handshakeRecord(tcp),
    original: wayRecord(tcp, ORIGINAL, names),
    reply: wayRecord(tcp, REPLY, names),
    closedBy:
      closedBy === null
        ? null
        : {
            direction: closedBy.direction === ORIGINAL ? 'original' : 'reply',
            with: closedBy.isReset ? 'reset' : 'fin',
          },
  };
}

function handshakeRecord(tcp: TcpHealth): TcpHealthRecord['handshake'] {
  const { syns, synAt, synAckAt, ackAt, endpoints } = tcp;
  return {
    syns: String(syns),
    synAckNs: synAckAt < synAt ? null : synAckAt - synAt,
    ackNs: ackAt < 0 || ackAt < synAckAt ? null : ackAt - synAckAt,
    endpoints: endpoints.map(({ dst, dport, syns: sent }) => ({
      ...{ dst, dport: dport >= 0 ? dport : null, syns: String(sent) },
    })),
  };
}

function wayRecord(tcp: TcpHealth, index: DirectionIndex, names: Names): TcpWayRecord {
  const way = tcp.ways[index];
  return {
    rttNs: way.rtt === null ? null : latencyRecord(way.rtt),
    retransmitted: {
      segments: String(way.retransmitted),
      lost: (way.lostPlaces ?? []).map((lost) => lossRecord(lost, names)),
      arrivedBefore: String(way.arrivedBefore),
      unexplained: String(way.unexplained),
    },
    duplicates: String(way.duplicates),
    outOfOrder: String(way.outOfOrder),
    zeroWindows: String(way.zeroWindows),
    windowClosed: way.isWindowClosed,
    resets: String(way.resets),
  };
}

function lossRecord({ place, reason, segments }: LostPlace, names: Names): SegmentLossRecord {
  const { device, stage, hook } = place;
  return {
    node: names.node(device.netns),
    netns: names.netns(device.netns, device.inode),
    dev: device.ifindex === 0 ? null : device.name,
    stage: stageName(stage),
    hook: stage === layout.STAGE_NETFILTER ? (HOOK_NAMES[hook] ?? null) : null,
    reason: reason < 0 ? null : names.reason(reason),
    segments: String(segments),
  };
}
