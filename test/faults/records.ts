import type { FlowRecord } from 'hopscope-protocol';

/** The records of JSON Lines; a line that was cut off by an end is none. */
export function recordsOf<T>(text: string): T[] {
  return text
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as T);
}

/** The newest record of the flow from a port; undefined without one. */
export function flowFrom(text: string, port: number): FlowRecord | undefined {
  return recordsOf<FlowRecord>(text).findLast(({ original }) => original?.sport === port);
}

/** Its packets; null without one. */
export function packetsFrom(text: string, port: number): string | null {
  return flowFrom(text, port)?.packets.original ?? null;
}
