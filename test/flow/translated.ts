import { expect } from 'vitest';
import type { Counted } from '../../src/flow/counted.js';
import type { Flow } from '../../src/flow/flow.js';
import { FlowTable, type FlowTableOptions } from '../../src/flow/flow-table.js';
import { type Conntrack, CT_IS_REPLY } from '../../src/join/conntrack.js';
import type { Path } from '../../src/join/path.js';
import type { Tuple } from '../../src/join/tuple.js';
import { HOOK_FORWARD, HOOK_PREROUTING } from '../../src/packet/netfilter-hook.js';
import { TCP_ACK } from '../../src/packet/tcp.js';
import { nth } from '../fixtures/joined.js';
import { conntrack, type PacketFields, PathMaker } from '../fixtures/path-of.js';
import { ADDRESSES, CALI1, CALI2, type Place, POD1_ETH0, POD2_ETH0 } from '../fixtures/places.js';

/** A connection of pod1 to a service that is pod2, with its source translated too. */
export class Translated {
  readonly maker = new PathMaker();
  readonly table: FlowTable;
  /** As sent and as it arrives; the answer as sent and as it arrives. */
  readonly asked: Tuple;
  readonly arriving: Tuple;
  readonly answer: Tuple;
  readonly answered: Tuple;
  #time = 0;

  constructor(options: FlowTableOptions = {}, sport = 38_610) {
    const pod1 = { src: ADDRESSES.pod1, sport };
    const service = { dst: ADDRESSES.service, dport: 8080 };
    const node = { src: ADDRESSES.node111, sport: 61_001 };
    this.table = new FlowTable(this.maker.tuples, options);
    this.asked = this.maker.tuple({ ...pod1, ...service });
    this.arriving = this.maker.tuple({ ...node, dst: ADDRESSES.pod2, dport: 80 });
    this.answer = this.arriving.reversed(this.maker.tuples);
    this.answered = this.asked.reversed(this.maker.tuples);
  }

  ct(isReply = false): Conntrack | null {
    return conntrack(this.asked, this.answer, isReply ? CT_IS_REPLY : 2);
  }

  /** A packet all the way. */
  path(isReply: boolean, fields: PacketFields = {}, hasCt = false): Path {
    const { maker } = this;
    const ct = hasCt ? this.ct(isReply) : null;
    const [first, last] = isReply ? [this.answer, this.answered] : [this.asked, this.arriving];
    const [from, fromNode, toNode, to] = isReply
      ? [POD2_ETH0, CALI2, CALI1, POD1_ETH0]
      : [POD1_ETH0, CALI1, CALI2, POD2_ETH0];
    return maker.path(
      [
        maker.egress(from, first),
        maker.ingress(fromNode, first),
        maker.hook(fromNode, HOOK_PREROUTING, -301, first),
        maker.hook(fromNode, HOOK_PREROUTING, -99, last, ct),
        maker.hook(toNode, HOOK_FORWARD, 1, last, ct),
        maker.egress(toNode, last),
        maker.ingress(to, last),
      ],
      { fromSocket: true, ...fields },
    );
  }

  /** What the node's end of a pod's veth counts; conntrack is known where packets leave. */
  counted(
    at: Place,
    direction: 'in' | 'out',
    packets: number,
    more: Partial<Counted> = {},
  ): Counted {
    const isFirst = direction === 'in';
    const tuple =
      at === CALI1 ? (isFirst ? this.asked : this.answered) : isFirst ? this.answer : this.arriving;
    this.#time += 1_000;
    return {
      netns: at.netns,
      ifindex: at.ifindex,
      direction,
      tuple,
      packets,
      bytes: packets * 100,
      largest: 100,
      tcpFlags: TCP_ACK,
      first: 1_000_000 + (isFirst ? 0 : 10) + (at === CALI2 ? 20 : 0),
      last: 2_000_000,
      gone: false,
      ctOriginal: isFirst ? null : this.asked,
      ctReply: isFirst ? null : this.answer,
      ...more,
    };
  }

  get flows(): Flow[] {
    return this.table.changedSince(0);
  }

  get only(): Flow {
    expect(this.flows.map(({ original }) => `${original.src} ${original.dst}`)).toHaveLength(1);
    return nth(this.flows, 0);
  }
}
