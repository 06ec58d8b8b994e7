import { policyIptables } from './calico-iptables.js';
import { exclusively } from './exclusive.js';
import { families } from './family.js';
import { LabNotUpError } from './not-up.js';
import { restoreRules } from './rules.js';
import type { RunOptions } from './run-command.js';
import { labState, writeLabState } from './state.js';
import { NODES } from './topology.js';

/** Puts the network policy in force: only pods labelled role=pod1 reach app=nginx, on TCP 80. */
export function policyOn(options?: RunOptions): Promise<void> {
  return exclusively(() => setPolicy(true, options));
}

/** Takes the network policy back. */
export function policyOff(options?: RunOptions): Promise<void> {
  return exclusively(() => setPolicy(false, options));
}

async function setPolicy(on: boolean, options: RunOptions = {}): Promise<void> {
  const state = await labState();
  if (state === null) throw new LabNotUpError();
  for (const node of NODES) {
    for (const family of families(state.dualStack)) {
      const lines = policyIptables(node.name, on, family);
      await restoreRules(node.name, state.iptables, family, lines, options);
    }
  }
  await writeLabState({ ...state, policy: on });
}
