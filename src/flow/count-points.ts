/** Devices that count; one past it the counts of others are refused. A node has thousands. */
export const POINT_LIMIT = 262_144;

/** Places of counting, as small numbers: odd where packets come in by a device, even where they leave. */
export class CountPoints {
  readonly #devices = new Map<number, number>();
  readonly #limit: number;

  constructor(limit = POINT_LIMIT) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#devices.size;
  }

  /** At least 1; 0 when there is no room for another device. */
  of(netns: number, ifindex: number, direction: 'in' | 'out'): number {
    const key = netns * 2 ** 20 + ifindex;
    let index = this.#devices.get(key);
    if (index === undefined) {
      if (this.#devices.size >= this.#limit) {
        return 0;
      }
      index = this.#devices.size;
      this.#devices.set(key, index);
    }
    return index * 2 + (direction === 'in' ? 1 : 2);
  }
}

export function isIncoming(point: number): boolean {
  return (point & 1) === 1;
}
