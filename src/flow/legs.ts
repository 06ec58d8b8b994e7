import type { Path } from '../join/path.js';
import type { Place } from '../join/place.js';
import { learnFacing } from './facing.js';
import type { FlowCounters } from './flow-counters.js';
import { LEG_BYTES } from './flow-size.js';
import { Leg } from './leg.js';
import { hasShape, NO_LEG, type Shape, ShapeTable, TIME_ONLY } from './shape.js';
import type { Traced, TracedDirection } from './traced.js';

/** Places in one direction of a flow that are legs of their own. */
export const LEG_LIMIT = 128;

/** Which leg of its direction each hop of a path belongs to. */
export class Legs {
  readonly #shapes = new ShapeTable();
  readonly #counters: FlowCounters;

  constructor(counters: FlowCounters) {
    this.#counters = counters;
  }

  /** The shape of a path, with its legs in place. Remembered: the next path often has the same. */
  shapeOf(traced: Traced, direction: TracedDirection, path: Path): Shape {
    const { columns } = path;
    let { shape } = direction;
    if (shape === null || path.inherited > 0 || !hasShape(shape, columns)) {
      if (direction.legs.length === 0 && path.inherited === 0) {
        shape = this.#shapes.of(columns, LEG_LIMIT);
        this.#make(traced, direction, shape);
        direction.shape = shape;
      } else {
        shape = this.#search(traced, direction, path);
        direction.shape = path.inherited === 0 ? shape : direction.shape;
      }
    }
    if (shape.refused > 0) {
      direction.legsRefused += shape.refused;
      this.#counters.legsRefused += shape.refused;
    }
    return shape;
  }

  #make(traced: Traced, direction: TracedDirection, { places, legOf }: Shape): void {
    const { legs } = direction;
    learnFacing(places);
    for (let i = 0; i < places.length; i++) {
      if (legOf[i] === legs.length) {
        legs.push(new Leg(places[i] as Place));
      }
    }
    traced.bytes += legs.length * LEG_BYTES;
  }

  /** A path that went another way than the one before it, or left places out. */
  #search(traced: Traced, direction: TracedDirection, path: Path): Shape {
    const places = path.columns.place.slice(0, path.length);
    learnFacing(places);
    const legOf: number[] = [];
    let refused = 0;
    let expected = 0;
    let previous = -1;
    for (const [i, place] of places.entries()) {
      if (place.legKey === previous && place.isNetfilter) {
        legOf.push(NO_LEG);
        continue;
      }
      previous = place.legKey;
      if (i < path.inherited) {
        legOf.push(TIME_ONLY);
        expected += 1;
        continue;
      }
      const before = direction.legs.length;
      const at = legIndex(direction.legs, expected, place);
      if (at === NO_LEG) {
        refused += 1;
        legOf.push(NO_LEG);
        continue;
      }
      if (direction.legs.length > before) {
        // What is after the new leg has moved, and with it every shape known so far.
        direction.shape = null;
        traced.bytes += LEG_BYTES;
        for (let earlier = 0; earlier < i; earlier++) {
          if ((legOf[earlier] as number) >= at) {
            (legOf[earlier] as number)++;
          }
        }
      }
      legOf.push(at);
      expected = at + 1;
    }
    return { places, legOf, refused };
  }
}

/**
 * Where a hop's leg is: at `expected` when the packet went the way of the one
 * before it; else elsewhere (it left places out), or new. Past the limit none.
 */
function legIndex(legs: Leg[], expected: number, place: Place): number {
  const key = place.legKey;
  if (legs[expected]?.key === key) {
    return expected;
  }
  const elsewhere = legs.findIndex((leg) => leg.key === key);
  if (elsewhere >= 0) {
    return elsewhere;
  }
  if (legs.length >= LEG_LIMIT) {
    return NO_LEG;
  }
  const at = Math.min(expected, legs.length);
  legs.splice(at, 0, new Leg(place));
  return at;
}
