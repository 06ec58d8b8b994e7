import { describe, expect, test } from 'vitest';
import { dropMeaning } from '../../src/flow/drop-meaning.js';
import { FlowTable } from '../../src/flow/flow-table.js';
import { SYN_ENDPOINTS_LIMIT, type TcpHealth } from '../../src/flow/tcp-health.js';
import type { Path } from '../../src/join/path.js';
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../src/packet/tcp.js';
import { PathMaker } from '../fixtures/path-of.js';
import { ADDRESSES, CALI1, POD1_ETH0, POD2_ETH0 } from '../fixtures/places.js';

interface Segment {
  readonly flags: number;
  readonly seq?: number;
  readonly ack?: number;
  readonly payload?: number;
  readonly window?: number;
  /** Where its destination is translated to. */
  readonly endpoint?: string;
}

/** A connection of pod1 to pod2, and one of its flow's tables. */
class Connection {
  readonly maker = new PathMaker();
  readonly table = new FlowTable(this.maker.tuples, {
    meaningOf: (reason) => dropMeaning(reason === 1 ? 'TCP_OLD_SEQUENCE' : 'NETFILTER_DROP'),
  });
  readonly #asked = this.maker.tuple({
    ...{ src: ADDRESSES.pod1, sport: 40_000, dst: ADDRESSES.pod2, dport: 80 },
  });

  path(isReply: boolean, segment: Segment): Path {
    const { maker } = this;
    const tuple = isReply ? this.#asked.reversed(maker.tuples) : this.#asked;
    const last =
      segment.endpoint === undefined
        ? tuple
        : maker.tuple({ src: ADDRESSES.pod1, sport: 40_000, dst: segment.endpoint, dport: 8080 });
    const [from, to] = isReply ? [POD2_ETH0, POD1_ETH0] : [POD1_ETH0, POD2_ETH0];
    const path = maker.path(
      [maker.egress(from, tuple), maker.ingress(CALI1, tuple), maker.ingress(to, last)],
      { fromSocket: true, tcpFlags: segment.flags },
    );
    path.tcpSeq = segment.seq ?? 0;
    path.tcpAck = segment.ack ?? 0;
    path.payloadLength = segment.payload ?? 0;
    path.tcpWindow = segment.window ?? 500;
    path.delivered = true;
    return path;
  }

  sent(segment: Segment): this {
    this.table.add(this.path(false, segment));
    return this;
  }

  answered(segment: Segment): this {
    this.table.add(this.path(true, segment));
    return this;
  }

  get health(): TcpHealth {
    return this.table.newest?.traced?.tcp as TcpHealth;
  }
}

const SYN_ACK = TCP_SYN | TCP_ACK;

describe('a connection', () => {
  test('with its handshake, and who closed it', () => {
    const connection = new Connection()
      .sent({ flags: TCP_SYN, seq: 99 })
      .answered({ flags: SYN_ACK, seq: 499, ack: 100 })
      .sent({ flags: TCP_ACK, seq: 100, ack: 500 })
      .answered({ flags: TCP_FIN | TCP_ACK, seq: 500, ack: 100 })
      .sent({ flags: TCP_FIN | TCP_ACK, seq: 100, ack: 501 });
    const { health } = connection;
    // Hops are a microsecond apart: three of the SYN, and three of its answer.
    expect(health.synAckAt - health.synAt).toBeGreaterThanOrEqual(5_000);
    expect(health.ackAt).toBeGreaterThan(health.synAckAt);
    expect([health.syns, health.closedBy]).toEqual([1, { direction: 1, isReset: false }]);
  });

  test('whose SYN was not seen has no handshake', () => {
    const { health } = new Connection().sent({ flags: TCP_ACK, seq: 5, payload: 10 });
    expect([health.syns, health.synAt, health.ackAt, health.closedBy]).toEqual([0, -1, -1, null]);
  });

  test('that a reset ended, and whose window was closed', () => {
    const { health } = new Connection()
      .sent({ flags: TCP_SYN, seq: 99 })
      .answered({ flags: TCP_ACK, seq: 500, window: 0 })
      .sent({ flags: TCP_RST, seq: 100 });
    expect(health.closedBy).toEqual({ direction: 0, isReset: true });
    expect([health.ways[0].resets, health.ways[1].zeroWindows]).toEqual([1, 1]);
  });
});

describe('retried SYNs', () => {
  test('that went to another endpoint are listed beside the first', () => {
    const { health } = new Connection()
      .sent({ flags: TCP_SYN, seq: 99, endpoint: '10.244.0.1' })
      .sent({ flags: TCP_SYN, seq: 99, endpoint: '10.244.0.2' })
      .sent({ flags: TCP_SYN, seq: 99, endpoint: '10.244.0.2' });
    expect(health.syns).toBe(3);
    expect(health.endpoints).toEqual([
      { dst: '10.244.0.1', dport: 8080, syns: 1 },
      { dst: '10.244.0.2', dport: 8080, syns: 2 },
    ]);
  });

  test('to one endpoint past the limit are counted as left out', () => {
    const connection = new Connection();
    for (let n = 0; n <= SYN_ENDPOINTS_LIMIT; n++) {
      connection.sent({ flags: TCP_SYN, seq: 99, endpoint: `10.244.0.${n + 1}` });
    }
    expect(connection.health.endpoints).toHaveLength(SYN_ENDPOINTS_LIMIT);
    expect(connection.table.counters.evidenceRefused).toBe(1);
  });
});

test('a duplicate that is thrown away is a drop, and no loss', () => {
  const connection = new Connection().sent({ flags: TCP_ACK, seq: 0, payload: 100 });
  const path = connection.path(false, { flags: TCP_ACK, seq: 0, payload: 100 });
  path.delivered = false;
  path.dropped = true;
  path.columns.drop = { reason: 1, location: 0n };
  connection.table.add(path);
  const flow = connection.table.newest;
  expect([flow?.drops(0), flow?.duplicates, flow?.lastVerdict]).toEqual([1, 1, 'delivered']);
  expect(connection.health.ways[0].arrivedBefore).toBe(1);
});
