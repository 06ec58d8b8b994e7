import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Path } from '../../src/join/path.js';
import { PathByBuffer } from '../../src/join/path-by-buffer.js';

/** As the kernel's are: 256 bytes apart; some share a place in the small table. */
const buffer = fc
  .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2 }))
  .map(([slot, page]) => 0x8880_0000_0000 + page * 1024 * 256 + slot * 256);

const step = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), skb: buffer }),
  fc.record({ kind: fc.constant('delete' as const), nth: fc.nat(20) }),
  fc.record({ kind: fc.constant('move' as const), nth: fc.nat(20), skb: buffer }),
  fc.record({ kind: fc.constant('get' as const), skb: buffer }),
);

test('answers as a map would, whatever is filed, moved and removed', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const table = new PathByBuffer();
      const map = new Map<number, Path>();
      const made: Path[] = [];
      const forget = (path: Path): void => {
        if (map.get(path.skb) === path) {
          map.delete(path.skb);
        }
      };
      for (const each of steps) {
        const path = 'nth' in each ? made[each.nth % Math.max(1, made.length)] : undefined;
        if (each.kind === 'set') {
          const fresh = new Path(each.skb);
          made.push(fresh);
          table.set(fresh);
          map.set(each.skb, fresh);
        } else if (each.kind === 'get') {
          expect(table.get(each.skb)).toBe(map.get(each.skb));
        } else if (path !== undefined && each.kind === 'delete') {
          table.delete(path);
          forget(path);
        } else if (path !== undefined && each.kind === 'move') {
          forget(path);
          table.move(path, each.skb);
          map.set(each.skb, path);
        }
      }
      for (let slot = 0; slot < 4; slot++) {
        for (let page = 0; page < 3; page++) {
          const skb = 0x8880_0000_0000 + page * 1024 * 256 + slot * 256;
          expect(table.get(skb)).toBe(map.get(skb));
        }
      }
    }),
    { numRuns: 1000 },
  );
});
