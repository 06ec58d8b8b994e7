import { runIn } from '../../src/lab/run-command.js';
import { labState } from '../../src/lab/state.js';

/** Packets counted by the rule of a node's table whose comment is `words`. */
export async function ruleCount(node: string, table: string, words: string): Promise<number> {
  const backend = (await labState())?.iptables ?? 'nft';
  const text = await runIn(node, `iptables-${backend}-save`, ['-c', '-t', table]);
  const rules = text.split('\n').filter((line) => line.includes(`"${words}"`));
  const counts = rules.map((line) => Number(/^\[(\d+):/.exec(line)?.[1]));
  if (counts.length === 0) throw new Error(`no rule "${words}" in ${table} of ${node}`);
  return counts.reduce((sum, count) => sum + count, 0);
}
