import {
  type Direction,
  endpointText,
  type SegmentLossRecord,
  type TcpHealthRecord,
  type TcpWayRecord,
} from 'hopscope-protocol';
import { formatDuration, formatExact } from '../format/quantity.js';

export interface TcpFact {
  readonly name: string;
  /** Null where it was not seen. */
  readonly text: string | null;
  readonly tone: 'plain' | 'warn' | 'bad';
  readonly help?: string;
}

function lossPlace({ netns, dev, stage, hook, reason, segments }: SegmentLossRecord): string {
  const where = [netns, dev, hook ?? stage].filter((part) => part !== null).join(' ');
  const why = reason === null ? 'not seen after' : `dropped (${reason}) at`;
  return `${formatExact(segments)} ${why} ${where}`;
}

function retransmitted({ retransmitted: again }: TcpWayRecord): TcpFact {
  const { segments, lost, arrivedBefore, unexplained } = again;
  const parts = [
    ...lost.map(lossPlace),
    ...(arrivedBefore === '0' ? [] : [`${formatExact(arrivedBefore)} had arrived before`]),
    ...(unexplained === '0' ? [] : [`${formatExact(unexplained)} not explained`]),
  ];
  return {
    name: 'sent again',
    text: segments === '0' ? 'none seen' : `${formatExact(segments)}: ${parts.join('; ')}`,
    tone: segments === '0' ? 'plain' : 'warn',
    help: 'Retransmissions, and the last place at which the first copy was seen',
  };
}

function count(name: string, value: string, help: string, bad: TcpFact['tone'] = 'warn'): TcpFact {
  const isNone = value === '0';
  return {
    name,
    text: isNone ? 'none seen' : formatExact(value),
    tone: isNone ? 'plain' : bad,
    help,
  };
}

/** What one direction of a connection says of its health. */
export function wayFacts(way: TcpWayRecord): TcpFact[] {
  const { rttNs } = way;
  return [
    {
      name: 'round trip',
      text:
        rttNs === null
          ? null
          : `p50 ${formatDuration(rttNs.p50)}, p99 ${formatDuration(rttNs.p99)} of ${formatExact(rttNs.count)}`,
      tone: 'plain',
      help: 'From a segment to its acknowledgment, at the sender',
    },
    retransmitted(way),
    count('out of order', way.outOfOrder, 'Segments that were passed on their way by a later one'),
    ...(way.duplicates === '0'
      ? []
      : [
          {
            ...count('duplicates', way.duplicates, 'Thrown away since they had arrived: no loss'),
            tone: 'plain' as const,
          },
        ]),
    {
      ...count('zero window', way.zeroWindows, 'Times that this side took no more data'),
      ...(way.windowClosed
        ? { text: `${formatExact(way.zeroWindows)}, closed now`, tone: 'bad' }
        : {}),
    },
    count('resets', way.resets, 'RST segments sent by this side', 'bad'),
  ];
}

const SIDE: Readonly<Record<Direction, string>> = { original: 'the client', reply: 'the server' };

/** What is known of a connection as a whole. */
export function connectionFacts({ handshake, closedBy }: TcpHealthRecord): TcpFact[] {
  const facts: TcpFact[] = [];
  if (handshake === null) {
    facts.push({ name: 'handshake', text: null, tone: 'plain', help: 'Its SYN was not seen' });
  } else {
    const { syns, synAckNs, ackNs, endpoints } = handshake;
    const answer =
      synAckNs === null ? 'no answer seen' : `answer after ${formatDuration(synAckNs)}`;
    const ack = ackNs === null ? '' : `, acknowledged after ${formatDuration(ackNs)}`;
    const again = syns === '1' ? 'one SYN' : `${formatExact(syns)} SYNs`;
    facts.push({
      name: 'handshake',
      text: `${again}, ${answer}${ack}`,
      tone: synAckNs === null ? 'bad' : syns === '1' ? 'plain' : 'warn',
    });
    if (endpoints.length > 1) {
      facts.push({
        name: 'SYNs went to',
        text: endpoints
          .map((one) => `${endpointText({ address: one.dst, port: one.dport })} (${one.syns})`)
          .join(', '),
        tone: 'warn',
        help: 'A retried SYN may be translated to another endpoint than the first',
      });
    }
  }
  facts.push({
    name: 'closed by',
    text:
      closedBy === null
        ? 'nobody so far'
        : `${SIDE[closedBy.direction]}, ${closedBy.with === 'reset' ? 'with a reset' : 'with a FIN'}`,
    tone: closedBy?.with === 'reset' ? 'bad' : 'plain',
  });
  return facts;
}
