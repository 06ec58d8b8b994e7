import type { Test, Truth } from './model.js';

export function negate(truth: Truth): Truth {
  return truth === null ? null : !truth;
}

export function negated(test: Test, isNegated: boolean): Test {
  return isNegated ? (...args) => negate(test(...args)) : test;
}

/** False if one is, then unknown if one is. */
export function all(tests: readonly Test[]): Test {
  const [only] = tests;
  if (only !== undefined && tests.length === 1) return only;
  return (...args) => {
    let result: Truth = true;
    for (const test of tests) {
      const truth = test(...args);
      if (truth === false) return false;
      if (truth === null) result = null;
    }
    return result;
  };
}

export const always: Test = () => true;
export const unknown: Test = () => null;

/** Whether what may not be known meets a condition. */
export function ifKnown<T>(value: T | null, holds: (value: T) => boolean): Truth {
  return value === null ? null : holds(value);
}

/** Whether the bits of a mask are these, of a mark of which some are not known. */
export function maskedEquals(
  mark: number,
  unknownBits: number,
  mask: number,
  value: number,
): Truth {
  // A value with bits that the mask leaves out is never met.
  if ((value & ~mask) !== 0 || ((mark ^ value) & mask & ~unknownBits) !== 0) return false;
  return (unknownBits & mask) === 0 ? true : null;
}
