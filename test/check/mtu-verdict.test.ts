import { expect, it } from 'vitest';
import { type MtuSeen, mtuVerdict } from '../../src/check/mtu-verdict.js';

const PLAIN: MtuSeen = {
  pathMtu: 1450,
  largest: 1450,
  fragmentsSeen: false,
  icmpTooBigSeen: false,
  blackholeSeen: false,
};

it.each([
  ['as large as the path lets through', {}, 'fits'],
  ['smaller', { largest: 84 }, 'fits'],
  ['a byte too large, and nothing seen of it', { largest: 1451 }, 'unknown'],
  ['of a path that is not known', { pathMtu: 0 }, 'unknown'],
  ['never measured', { largest: 0 }, 'unknown'],
  ['cut into fragments', { largest: 3000, fragmentsSeen: true }, 'fragments'],
  ['dropped, and the sender was not notified', { largest: 1500, blackholeSeen: true }, 'blackhole'],
  ['dropped after others were cut', { blackholeSeen: true, fragmentsSeen: true }, 'blackhole'],
  [
    'dropped at one place, and the source was notified of another',
    { blackholeSeen: true, icmpTooBigSeen: true },
    'blackhole',
  ],
  ['notified, then sent smaller', { largest: 1400, icmpTooBigSeen: true }, 'pmtu'],
] as const)('packets %s', (_, evidence, verdict) => {
  expect(mtuVerdict({ ...PLAIN, ...evidence })).toBe(verdict);
});
