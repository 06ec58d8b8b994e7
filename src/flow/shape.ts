import type { HopColumns } from '../join/hop-columns.js';
import type { Place } from '../join/place.js';

/** Shapes that flows share; one past it all are forgotten, and learned again. */
export const SHAPE_LIMIT = 1_024;
/** The hop is at the place of the hop before (a hook's next priority), or its leg was refused. */
export const NO_LEG = -1;
/** Another path has counted the hop: it gives the time before the next. */
export const TIME_ONLY = -2;

/** The places of a path, and the leg that each of its hops belongs to. */
export interface Shape {
  readonly places: readonly Place[];
  /** Index among the direction's legs, or one of the above. */
  readonly legOf: readonly number[];
  /** Hops whose leg was refused. */
  readonly refused: number;
}

export function hasShape(shape: Shape, columns: HopColumns): boolean {
  const { places } = shape;
  const { length, place } = columns;
  if (places.length !== length) {
    return false;
  }
  for (let i = 0; i < length; i++) {
    if (places[i] !== place[i]) {
      return false;
    }
  }
  return true;
}

/**
 * The shapes of directions whose legs all come from one shape, which is that of most
 * flows between two places: they share one object, and a new flow searches for nothing.
 */
export class ShapeTable {
  readonly #shapes = new Map<number, Shape>();
  /** How often a full table was cleared. */
  cleared = 0;

  get size(): number {
    return this.#shapes.size;
  }

  /** The shape of a direction's first path; legs are numbered in the order of its places. */
  of(columns: HopColumns, legLimit: number): Shape {
    const { length, place } = columns;
    let hash = length;
    for (let i = 0; i < length; i++) {
      const { legKey, priority } = place[i] as Place;
      hash = Math.imul(hash ^ legKey ^ (priority << 20), 0x9e3779b1) ^ (hash >>> 15);
    }
    const known = this.#shapes.get(hash);
    if (known !== undefined && hasShape(known, columns)) {
      return known;
    }
    if (this.#shapes.size >= SHAPE_LIMIT) {
      this.#shapes.clear();
      this.cleared += 1;
    }
    const made = shapeOfFirst(place.slice(0, length), legLimit);
    this.#shapes.set(hash, made);
    return made;
  }
}

function shapeOfFirst(places: readonly Place[], legLimit: number): Shape {
  const legOf: number[] = [];
  const legs = new Map<number, number>();
  let refused = 0;
  let previous = -1;
  for (const place of places) {
    const { legKey } = place;
    if (legKey === previous && place.isNetfilter) {
      legOf.push(NO_LEG);
      continue;
    }
    previous = legKey;
    let leg = legs.get(legKey);
    if (leg === undefined && legs.size < legLimit) {
      leg = legs.size;
      legs.set(legKey, leg);
    }
    refused += leg === undefined ? 1 : 0;
    legOf.push(leg ?? NO_LEG);
  }
  return { places, legOf, refused };
}
