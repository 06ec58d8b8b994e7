import type { LegRecord } from 'hopscope-protocol';
import { placeKeys } from './leg-window.js';

/** A leg with the name its series have in the history. */
export interface NamedLeg {
  readonly key: string;
  readonly leg: LegRecord;
}

/** Legs by where they are: each direction's in the order they are passed. */
export function nameLegs(legs: readonly LegRecord[]): NamedLeg[] {
  return (['original', 'reply'] as const).flatMap((direction) => {
    const own = legs.filter((leg) => leg.direction === direction);
    const keys = placeKeys(direction, own);
    return own.map((leg, index) => ({ key: keys[index] ?? '', leg }));
  });
}
