import { ipBatch, runCommand } from '../../src/lab/run-command.js';

let tried = 0;

/**
 * Whether this kernel has a kind of device: `null` for yes, else what it lacks. There is a veth,
 * `v0`, to build on.
 */
export async function hasLink(kind: string, command: string): Promise<string | null> {
  const netns = `hs-kind-${process.pid}-${tried++}`;
  await runCommand('ip', ['netns', 'add', netns]);
  try {
    await ipBatch(netns, ['link add v0 type veth peer name v1', command]);
    return null;
  } catch {
    return `this kernel cannot: ${kind}`;
  } finally {
    await runCommand('ip', ['netns', 'del', netns]);
  }
}
