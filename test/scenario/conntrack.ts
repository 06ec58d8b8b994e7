import type { Family } from '../../src/lab/family.js';
import { runIn } from '../../src/lab/run-command.js';

/** What the kernel itself says a connection is translated to, on one node. */
export interface Entry {
  /** `tcp 10.0.0.1:40000 > 10.0.0.2:80`. */
  readonly original: string;
  readonly reply: string;
}

const TUPLE = /src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/g;

/** TCP entries of a node with this source port, from conntrack(8). */
export async function conntrackOf(
  node: string,
  sourcePort: number,
  family: Family = 'ipv4',
): Promise<Entry[]> {
  const args = ['-L', '-f', family, '-p', 'tcp', '--orig-port-src', `${sourcePort}`];
  const text = await runIn(node, 'conntrack', args);
  return text
    .split('\n')
    .filter((line) => line.startsWith('tcp'))
    .map((line) => {
      const [original = '', reply = ''] = [...line.matchAll(TUPLE)].map(
        ([, src, dst, sport, dport]) => `tcp ${src}:${sport} > ${dst}:${dport}`,
      );
      return { original, reply };
    });
}
