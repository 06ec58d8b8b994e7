import { describe, expect, it } from 'vitest';
import {
  DetailFollower,
  HEAVY_A_SECOND,
  LIGHT_A_SECOND,
} from '../../src/source/detail-follower.js';

const STEP_MS = 100;

/** A follower and traffic of so many packets a second; what it changed, with the time in ms. */
class Traffic {
  readonly changes: [ms: number, detail: string][] = [];
  #ms = 0;
  #trails = 0;
  readonly follower = new DetailFollower({
    trails: () => this.#trails,
    now: () => BigInt(this.#ms) * 1_000_000n,
    setDetail: (detail) => this.changes.push([this.#ms, detail]),
    onDetail: (at, detail) => expect([at, detail]).toEqual([this.#now, this.changes.at(-1)?.[1]]),
  });

  get #now(): bigint {
    return BigInt(this.#ms) * 1_000_000n;
  }

  for(ms: number, packetsASecond: number, step = () => {}): this {
    for (const end = this.#ms + ms; this.#ms < end; ) {
      this.#ms += STEP_MS;
      this.#trails += (packetsASecond * STEP_MS) / 1_000;
      step();
      this.follower.look();
    }
    return this;
  }
}

describe('where every packet is traced', () => {
  it('heavy traffic is seen at the edges of each hook, at once', () => {
    const { changes } = new Traffic().for(1_000, HEAVY_A_SECOND / 2).for(1_000, HEAVY_A_SECOND * 2);
    expect(changes).toEqual([[1_100, 'edges']]);
  });

  it('every place is seen again when traffic has been light for some seconds', () => {
    const traffic = new Traffic().for(1_000, HEAVY_A_SECOND * 2).for(5_000, LIGHT_A_SECOND / 2);
    expect(traffic.changes.map(([, detail]) => detail)).toEqual(['edges', 'all']);
    expect(traffic.changes[1]?.[0]).toBeGreaterThanOrEqual(4_000);
  });

  it('between light and heavy it stays as it is', () => {
    const between = (HEAVY_A_SECOND + LIGHT_A_SECOND) / 2;
    expect(new Traffic().for(10_000, between).changes).toEqual([]);
    const traffic = new Traffic().for(1_000, HEAVY_A_SECOND * 2).for(10_000, between);
    expect(traffic.changes).toHaveLength(1);
  });

  it('who looks at a flow sees every place of it, and while they look', () => {
    const traffic = new Traffic().for(1_000, HEAVY_A_SECOND * 2);
    traffic.for(6_000, HEAVY_A_SECOND * 2, () => traffic.follower.request());
    expect(traffic.changes.map(([, detail]) => detail)).toEqual(['edges', 'all']);
    traffic.for(5_000, HEAVY_A_SECOND * 2);
    expect(traffic.changes.map(([, detail]) => detail)).toEqual(['edges', 'all', 'edges']);
  });
});
