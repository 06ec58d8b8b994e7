import type { FlowRecord } from '../../src/model/records.js';

/** The records of JSON Lines; a line that was cut off by an end is none. */
export function recordsOf<T>(text: string): T[] {
  return text
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as T);
}

/** Packets of the newest record of the flow from a port; null without one. */
export function packetsFrom(text: string, port: number): string | null {
  const mine = recordsOf<FlowRecord>(text).filter(({ original }) => original?.sport === port);
  return mine.at(-1)?.packets.original ?? null;
}
