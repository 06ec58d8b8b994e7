import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AT_POD1, AT_POD2, AT_POD3, Connection, type Way } from '../fixtures/connection.js';
import { Joining, nth } from '../fixtures/joined.js';
import { ADDRESSES } from '../fixtures/places.js';
import { type Journey, Tape } from '../fixtures/tape.js';
import { ways } from './ways.js';

/** One packet of one connection, and what happens to its buffer at the end. */
interface Sent {
  readonly connection: number;
  readonly way: Way;
  readonly payload: number;
  readonly id: number;
  readonly end: 'free' | 'deliver' | 'silence';
}

interface Shape {
  readonly proto: 'tcp' | 'udp';
  readonly dnat: boolean;
  readonly snat: boolean;
  readonly other: boolean;
  readonly tracked: boolean;
  readonly packets: readonly Omit<Sent, 'connection'>[];
}

const shape: fc.Arbitrary<Shape> = fc.record({
  proto: fc.constantFrom('tcp', 'udp'),
  dnat: fc.boolean(),
  snat: fc.boolean(),
  other: fc.boolean(),
  tracked: fc.boolean(),
  packets: fc.array(
    fc.record({
      way: fc.constantFrom<Way>('original', 'reply'),
      payload: fc.integer({ min: 0, max: 1000 }),
      // Few values, 0 among them: what TCP often sends, and what collides.
      id: fc.integer({ min: 0, max: 5 }),
      end: fc.constantFrom('free', 'deliver', 'silence'),
    }),
    { minLength: 1, maxLength: 6 },
  ),
});

function connectionOf(
  tape: Tape,
  { proto, dnat, snat, other, tracked }: Shape,
  index: number,
): Connection {
  const server = other ? ADDRESSES.pod3 : ADDRESSES.pod2;
  return new Connection(tape, {
    proto,
    src: ADDRESSES.pod1,
    dst: dnat ? ADDRESSES.service : server,
    sport: 30000 + index,
    dport: dnat ? 8080 : 80,
    from: AT_POD1,
    to: other ? AT_POD3 : AT_POD2,
    tunnelled: other,
    ...(dnat ? { dnat: { dst: server, dport: 80 } } : {}),
    ...(snat ? { snat: { src: ADDRESSES.node111, sport: 60000 + index } } : {}),
    ...(tracked ? { ctAddress: 0xffff_8880_1000_0000n + BigInt(index * 256) } : {}),
  });
}

/**
 * Plays all packets, a few at a time, one random packet's next step after another's.
 * Buffers come from a small pool, so an address is soon somebody else's.
 */
function play(
  tape: Tape,
  shapes: readonly Shape[],
  turns: readonly number[],
  together: number,
): void {
  const pool = Array.from({ length: together }, () => ({
    skb: tape.address(),
    head: tape.address(),
  }));
  const connections = shapes.map((one, index) => connectionOf(tape, one, index));
  const waiting: Sent[] = shapes.flatMap(({ packets }, connection) =>
    packets.map((packet) => ({ ...packet, connection })),
  );
  const underWay: {
    journey: Journey;
    steps: (() => void)[];
    sent: Sent;
    at: { skb: bigint; head: bigint };
  }[] = [];
  let turn = 0;
  const random = (below: number): number => (turns[turn++ % turns.length] ?? 0) % below;
  let seq = 0;
  while (waiting.length > 0 || underWay.length > 0) {
    const at = pool[0];
    if (waiting.length > 0 && at !== undefined && (underWay.length === 0 || random(4) === 0)) {
      pool.shift();
      // Packets of one direction of one connection leave in order; which is next is chance.
      const sent = waiting.splice(random(waiting.length), 1)[0] as Sent;
      seq += 1_000_000;
      const fields = { payload: sent.payload, id: sent.id, seq };
      const [journey, steps] = nth(connections, sent.connection).steps(sent.way, fields, at);
      underWay.push({ journey, steps, sent, at });
      continue;
    }
    const index = random(underWay.length);
    const packet = nth(underWay, index);
    packet.steps.shift()?.();
    if (packet.steps.length === 0) {
      underWay.splice(index, 1);
      pool.push(packet.at);
      const inside =
        packet.sent.way === 'original'
          ? nth(shapes, packet.sent.connection).other
            ? AT_POD3
            : AT_POD2
          : AT_POD1;
      if (packet.sent.end === 'deliver') {
        packet.journey.deliver(inside.inside.netns);
      }
      if (packet.sent.end !== 'silence') {
        packet.journey.free();
      }
    }
  }
}

test('whatever packets overtake one another, a connection is one flow with exact counts', () => {
  fc.assert(
    fc.property(
      fc.array(shape, { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(1000), { minLength: 20, maxLength: 200 }),
      fc.integer({ min: 1, max: 6 }),
      fc.boolean(),
      (shapes, turns, together, sweeping) => {
        const tape = new Tape();
        play(tape, shapes, turns, together);
        const joining = new Joining();
        if (sweeping) {
          // In small batches, with the clock looked at in between.
          let now = 0;
          while (tape.length > 0) {
            const part = tape.split(17);
            now += 17_000;
            joining.read(part);
            joining.joiner.sweep(now);
          }
        }
        joining.end(tape);
        const flows = joining.allFlows();
        expect(flows).toHaveLength(shapes.length);
        for (const [index, { packets, proto }] of shapes.entries()) {
          const flow = flows.find(
            ({ original, reply }) =>
              original.sport === 30000 + index ||
              original.dport === 30000 + index ||
              reply?.sport === 30000 + index,
          );
          // Which way is called original is known only when conntrack or a SYN tells.
          const swapped = flow?.original.sport !== 30000 + index;
          const header = proto === 'tcp' ? 40 : 28;
          const counts = (way: Way): number[] => {
            const sent = packets.filter((packet) => packet.way === way);
            return [sent.length, sent.reduce((sum, { payload }) => sum + header + payload, 0)];
          };
          const [first, second] = flow === undefined ? [] : ways(flow);
          const seen = [first, second].map((d) => [d?.packets, d?.bytes]);
          const sent = [counts('original'), counts('reply')];
          expect(seen).toEqual(swapped ? sent.reverse() : sent);
        }
        const total = shapes.reduce((sum, { packets }) => sum + packets.length, 0);
        expect(joining.paths).toHaveLength(total);
        expect(joining.paths.every((path) => !path.gap)).toBe(true);
        expect(joining.joiner.openPaths).toBe(0);
      },
    ),
    { numRuns: 40 },
  );
}, 60_000);
