import { expect, it } from 'vitest';
import { type MtuEvidence, mtuVerdict } from '../../src/check/mtu-verdict.js';

const PLAIN: MtuEvidence = {
  pathMtu: 1450,
  largest: 1450,
  fragmentsSeen: false,
  icmpSeen: false,
  tooBigDropped: false,
};

it.each([
  ['as large as the path lets through', {}, 'fits'],
  ['smaller', { largest: 84 }, 'fits'],
  ['a byte too large, and nothing seen of it', { largest: 1451 }, 'unknown'],
  ['of a path that is not known', { pathMtu: 0 }, 'unknown'],
  ['never measured', { largest: 0 }, 'unknown'],
  ['cut into fragments', { largest: 3000, fragmentsSeen: true }, 'fragments'],
  ['dropped, and no one was told', { largest: 1500, tooBigDropped: true }, 'blackhole'],
  ['dropped after others were cut', { tooBigDropped: true, fragmentsSeen: true }, 'blackhole'],
  ['dropped, and the source was told', { tooBigDropped: true, icmpSeen: true }, 'pmtu'],
  ['told too large, then sent smaller', { largest: 1400, icmpSeen: true }, 'pmtu'],
] as const)('packets %s', (_, evidence, verdict) => {
  expect(mtuVerdict({ ...PLAIN, ...evidence })).toBe(verdict);
});
