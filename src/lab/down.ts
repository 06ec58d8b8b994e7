import { rm } from 'node:fs/promises';
import { exclusively } from './exclusive.js';
import { netnsLines } from './network.js';
import { ownedNetns } from './ownership.js';
import { stopProcesses } from './process-control.js';
import { ipBatch } from './run-command.js';
import { LAB_DIRECTORY } from './state.js';

/**
 * Removes the lab: its processes, its namespaces with all in them, its files. Whatever
 * part of it exists; with none there, does nothing.
 *
 * @returns whether there was anything to remove
 * @throws LabCommandError, LabProcessError, LabBusyError
 */
export function labDown(): Promise<boolean> {
  return exclusively(removeLab);
}

/** labDown for who already holds the lab. */
export async function removeLab(): Promise<boolean> {
  const netns = await ownedNetns();
  await stopProcesses(netns);
  if (netns.length > 0) await ipBatch(null, netnsLines('del', netns));
  await rm(LAB_DIRECTORY, { recursive: true, force: true });
  return netns.length > 0;
}
