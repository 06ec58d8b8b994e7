import { fileURLToPath } from 'node:url';
import { LabCommandError, runIn } from '../../src/lab/run-command.js';

/** What a pod's server says of a call: who answered, and whom it saw. */
export interface Answer {
  readonly pod: string;
  readonly peer: { readonly address: string; readonly port: number };
  readonly local: { readonly address: string; readonly port: number };
  /** The port the caller used. */
  readonly callerPort: number;
}

const CALLER = fileURLToPath(new URL('./caller.mjs', import.meta.url));

/** An HTTP request from a namespace; `null` when nothing answered within a second. */
export async function call(netns: string, url: string): Promise<Answer | null> {
  const said = JSON.parse(await runIn(netns, process.execPath, [CALLER, url])) as {
    readonly callerPort: number;
    readonly body: string;
  } | null;
  if (said === null) return null;
  return { ...(JSON.parse(said.body) as Answer), callerPort: said.callerPort };
}

/** Whether one ping from a namespace is answered within a second. */
export async function pings(netns: string, host: string): Promise<boolean> {
  try {
    await runIn(netns, 'ping', ['-n', '-c', '1', '-W', '1', host]);
    return true;
  } catch (error) {
    if (error instanceof LabCommandError && error.stderr === '') return false;
    throw error;
  }
}

/** Packets counted by the first rule of `iptables-save -c` that contains `words`. */
export async function counted(
  netns: string,
  backend: string,
  table: string,
  words: string,
): Promise<number> {
  const text = await runIn(netns, `iptables-${backend}-save`, ['-c', '-t', table]);
  const line = text.split('\n').find((candidate) => candidate.includes(words));
  const packets = /^\[(\d+):/.exec(line ?? '')?.[1];
  if (packets === undefined) throw new Error(`no rule with ${words} in ${netns}:\n${text}`);
  return Number(packets);
}
