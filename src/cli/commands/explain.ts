import { EXPLAIN } from '../command-options.js';
import { EXIT } from '../exit-status.js';
import { optionHelp } from '../option.js';
import { readOptions } from '../read-options.js';
import { runSimulate } from './explain-simulate.js';

const HELP = `Usage: hopscope explain [options] [EXPR]
       hopscope explain --simulate --netns NODE --in DEV --src A:P --dst B:P [--proto P]

Which rules of iptables, nftables and IPVS, and which routes, a flow met: one block a flow,
as it is seen. With --simulate: what would happen to such a packet. Rules are read, and never
changed.

${optionHelp(EXPLAIN.options)}
Each rule is said with how sure it is: seen (the packet shows it), follows (no other way agrees
with what was seen), one of N, unknown.
`;

/** The `explain` command. Errors: UsageError, UnsupportedError. */
export async function runExplain(args: string[]): Promise<number> {
  const parsed = await readOptions(args, EXPLAIN, HELP);
  if (parsed === null) return EXIT.done;
  const { values } = parsed;
  return runSimulate(values);
}
