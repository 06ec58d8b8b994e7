import type {
  BadChecksumRecord,
  FaultRecord,
  FlowRecord,
  MtuDeviceRecord,
  MtuErrorRecord,
  MtuRefusalRecord,
  MtuVanishedRecord,
} from 'hopscope-protocol';
import { commandIn, type Enterable, ipCommand } from './command-text.js';

/** Places with one kind of fault that are kept apart. */
export const SEEN_LIMIT = 1_024;
/** Flows that a fault names. */
export const FLOWS_NAMED = 32;

/** Finds a namespace by the name that records have for it; null where it was not read. */
export type NamespaceByName = (name: string) => Enterable | null;

type Seen = Omit<FaultRecord, 'type' | 'flows' | 'flowIds'>;

/**
 * Faults that only packets show, each once for all flows that it hits: what vanished for its size,
 * errors that did not reach the sender or made no sense to it, outer checksums, fragments.
 */
export class SeenFaults {
  /** Places past the limit. */
  leftOut = 0;
  readonly #namespace: NamespaceByName;
  readonly #found = new Map<string, { seen: Seen; readonly flows: Set<string> }>();

  constructor(namespace: NamespaceByName) {
    this.#namespace = namespace;
  }

  /** A flow as it was last seen; each flow once. */
  add(flow: FlowRecord): void {
    const evidence = flow.mtuEvidence;
    if (evidence === undefined) return;
    for (const refusal of evidence.refusals) {
      if (!refusal.told) this.#note(flow, this.#blackhole(flow, refusal));
    }
    for (const each of evidence.vanished) {
      const isTold = evidence.errors.some(
        ({ direction, arrived, mtu }) =>
          direction === each.direction && arrived !== '0' && (mtu ?? 0) < each.size,
      );
      if (!isTold) this.#note(flow, vanished(flow, each));
    }
    for (const error of evidence.errors) {
      if (error.dropped !== null) this.#note(flow, this.#dropped(error, error.dropped));
      if (error.untranslatedAt !== null && error.obeyed === 'told') {
        this.#note(flow, untranslated(error, error.untranslatedAt));
      }
    }
    for (const each of evidence.checksums) this.#note(flow, this.#badChecksum(each));
    for (const way of [evidence.ways.original, evidence.ways.reply]) {
      const isUnassembled = way !== null && way.unassembled !== '0';
      const isCut = way !== null && way.path !== null && way.largest > way.path;
      if (way === null || (!isUnassembled && (flow.mtu.verdict !== 'fragments' || !isCut)))
        continue;
      this.#note(flow, fragments(flow, way.setBy, way.largest, way.path, isUnassembled));
    }
  }

  records(): FaultRecord[] {
    return [...this.#found.values()].map(({ seen, flows }) => {
      const { remedy, ...rest } = seen;
      const flowIds = [...flows].slice(0, FLOWS_NAMED);
      return { type: 'fault', ...rest, flows: flows.size, flowIds, remedy };
    });
  }

  #note(flow: FlowRecord, seen: Seen): void {
    const { id, severity, netns, dev, peer } = seen;
    const key = JSON.stringify([id, severity, netns, dev, peer]);
    const known = this.#found.get(key);
    if (known === undefined && this.#found.size >= SEEN_LIMIT) {
      this.leftOut += 1;
      return;
    }
    if (known === undefined) this.#found.set(key, { seen, flows: new Set([flow.id]) });
    else known.flows.add(flow.id);
  }

  #blackhole(flow: FlowRecord, { seenBy, refusedBy, reason, size }: MtuRefusalRecord): Seen {
    const common = { id: 'blackhole', severity: 'error', evidence: ['seen'] } as const;
    if (refusedBy === null) {
      return {
        ...common,
        ...at(seenBy),
        peer: null,
        found: { packet: size, reason },
        expected: { told: true },
        because: `packets of ${size} bytes are dropped after ${text(seenBy)} (${reason}), and no ICMP error reached the sender`,
        remedy: probeCommand(flow),
      };
    }
    const { netns, dev } = seenBy;
    const remedy =
      refusedBy.mtu === null || dev === null
        ? probeCommand(flow)
        : this.#ip(netns, 'link', 'set', 'dev', dev, 'mtu', `${refusedBy.mtu}`);
    return {
      ...common,
      ...at(refusedBy),
      peer: dev === null || netns + dev === refusedBy.netns + refusedBy.dev ? null : { netns, dev },
      found: { packet: size, mtu: refusedBy.mtu, sentByMtu: seenBy.mtu },
      expected: { mtu: seenBy.mtu },
      because: `${text(refusedBy)} drops packets of ${size} bytes that ${text(seenBy)} sends it, and no ICMP error reached the sender`,
      remedy,
    };
  }

  #dropped({ from, mtu }: MtuErrorRecord, { reason, at: place }: Dropped): Seen {
    return {
      ...{ id: 'icmp-dropped', severity: 'error', ...at(place), peer: null },
      found: { reason, mtu },
      expected: { accepted: 'ICMP errors of path MTU discovery' },
      because: `an error of ${from} that ${mtu ?? 'fewer'} bytes fit was dropped at ${text(place)} (${reason}), so the sender was not told`,
      evidence: ['seen'],
      remedy: this.#in(place.netns, 'nft', 'list', 'ruleset'),
    };
  }

  #badChecksum({ tunnel, at: place, sentBy, packets }: BadChecksumRecord): Seen {
    const sender = sentBy ?? place;
    const off = ['ethtool', '-K', sender.dev ?? 'DEVICE', 'tx-checksum-ip-generic', 'off'];
    return {
      ...{ id: 'bad-outer-checksum', severity: 'error', ...at(sender) },
      peer: sentBy === null || place.dev === null ? null : { netns: place.netns, dev: place.dev },
      found: { packets },
      expected: { packets: '0' },
      because: `packets of ${tunnel} come to ${text(place)} with a wrong outer checksum and are dropped: checksum offload`,
      evidence: ['seen'],
      remedy: this.#in(sender.netns, ...off),
    };
  }

  #ip(netns: string, ...words: string[]): string {
    const namespace = this.#namespace(netns);
    if (namespace !== null) return ipCommand(namespace, ...words);
    return netns === 'host' ? `ip ${words.join(' ')}` : `ip -n ${netns} ${words.join(' ')}`;
  }

  #in(netns: string, ...words: string[]): string {
    const namespace = this.#namespace(netns);
    if (namespace !== null) return commandIn(namespace, ...words);
    return netns === 'host' ? words.join(' ') : `ip netns exec ${netns} ${words.join(' ')}`;
  }
}

type Dropped = NonNullable<MtuErrorRecord['dropped']>;

function vanished(flow: FlowRecord, { size, passed, repeats, seenBy }: MtuVanishedRecord): Seen {
  const last = seenBy === null ? 'nobody knows where' : `after ${text(seenBy)}`;
  return {
    ...{ id: 'blackhole', severity: 'error' },
    ...(seenBy === null ? { netns: flow.legs[0]?.netns ?? 'unknown', dev: null } : at(seenBy)),
    peer: null,
    found: { packet: size, passed, repeats },
    expected: { told: true },
    because: `TCP segments in packets of ${size} bytes with DF set vanish ${last}: sent ${repeats} times and more, never acknowledged, and no ICMP error came`,
    evidence: ['seen'],
    remedy: probeCommand(flow),
  };
}

function untranslated({ from, mtu }: MtuErrorRecord, place: MtuDeviceRecord): Seen {
  return {
    ...{ id: 'icmp-not-translated', severity: 'error', ...at(place), peer: null },
    found: { from, mtu },
    expected: { quotes: 'the packet as it was sent' },
    because: `an error of ${from} that ${mtu ?? 'fewer'} bytes fit came to ${text(place)} and quotes another packet than was sent there, so the sender ignores it`,
    evidence: ['seen'],
    remedy: `translate with conntrack (nat tables), which translates what an error quotes too, at ${place.netns}`,
  };
}

function fragments(
  flow: FlowRecord,
  setBy: MtuDeviceRecord | null,
  largest: number,
  path: number | null,
  isUnassembled: boolean,
): Seen {
  const place = setBy === null ? { netns: flow.legs[0]?.netns ?? 'unknown', dev: null } : at(setBy);
  const limit = setBy === null ? `${path ?? 'fewer'} bytes` : `${path} at ${text(setBy)}`;
  return {
    ...{ id: 'fragments', severity: isUnassembled ? 'error' : 'warning', ...place, peer: null },
    found: { packet: largest, mtu: path, reassembled: !isUnassembled },
    expected: { packet: path },
    because: isUnassembled
      ? `fragments of packets of ${largest} bytes are dropped, since others of the same packet do not come`
      : `packets of ${largest} bytes are sent in fragments: the way takes ${limit}`,
    evidence: ['seen'],
    remedy: probeCommand(flow),
  };
}

function probeCommand({ original, reply }: FlowRecord): string {
  return `hopscope mtu --probe ${original.src} ${reply?.src ?? original.dst}`;
}

function at({ netns, dev }: MtuDeviceRecord) {
  return { netns, dev };
}

function text({ netns, dev, mtu }: MtuDeviceRecord): string {
  return `${netns}/${dev ?? '?'}${mtu === null ? '' : ` (MTU ${mtu})`}`;
}
