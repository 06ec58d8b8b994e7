import { expect, test } from 'vitest';
import type { Way } from '../fixtures/connection.js';
import { play, SHAPE } from '../fixtures/interleaved.js';
import { Joining } from '../fixtures/joined.js';
import { fc } from '../fixtures/properties.js';
import { Tape } from '../fixtures/tape.js';
import { ways } from '../fixtures/ways.js';

test('whatever packets overtake one another, a connection is one flow with exact counts', () => {
  fc.assert(
    fc.property(
      fc.array(SHAPE, { minLength: 1, maxLength: 6 }),
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
          // Which way is called original is known only when conntrack or a SYN shows it.
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
