import type { PathRecord } from 'hopscope-protocol';

/** Flows whose explanations are remembered; past it all are forgotten, and explained again. */
export const FLOWS_LIMIT = 65_536;

/** Packets of a flow that met the same rules are explained once. */
export class Shapes {
  readonly #explained = new Map<string, Set<string>>();

  isNew({ flow, direction, hops, verdict }: PathRecord): boolean {
    // The rules of a first packet, or of a drop: later ones only pass as known.
    const all = hops.flatMap(({ rules }) => rules ?? []);
    const isDropped = verdict === 'dropped';
    const met = all.filter(({ backend }) => isDropped || backend !== 'route');
    if (met.length === 0) return false;
    const shape = `${direction} ${verdict} ${met.map(keyOf).join(' ')}`;
    const key = flow ?? '';
    let shapes = this.#explained.get(key);
    if (shapes === undefined) {
      if (this.#explained.size >= FLOWS_LIMIT) this.#explained.clear();
      shapes = new Set();
      this.#explained.set(key, shapes);
    }
    if (shapes.has(shape)) return false;
    shapes.add(shape);
    return true;
  }
}

function keyOf({
  table,
  chain,
  position,
  verdict,
}: NonNullable<PathRecord['hops'][number]['rules']>[number]): string {
  return `${table}/${chain}/${position}/${verdict}`;
}
