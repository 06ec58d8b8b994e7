/**
 * Which namespaces the lab made. Their names are plain ones (`client`, `pod1`), so a
 * namespace of that name that is not written down here is somebody else's and is
 * neither used nor removed.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { HopscopeError } from '../model/errors.js';
import { NETNS_DIRECTORY } from '../source/netns-directory.js';
import { LAB_DIRECTORY } from './state.js';
import { ALL_NETNS } from './topology.js';

const OWNED_FILE = `${LAB_DIRECTORY}/netns`;

/** A namespace the lab needs exists and is not the lab's. */
export class LabNameTakenError extends HopscopeError {}

function netnsExists(name: string): boolean {
  return existsSync(`${NETNS_DIRECTORY}/${name}`);
}

/**
 * Writes down, before they are made, that the lab's namespaces are its own.
 *
 * @throws LabNameTakenError
 */
export async function claimNetns(): Promise<void> {
  const taken = ALL_NETNS.filter(netnsExists);
  if (taken.length > 0) {
    throw new LabNameTakenError(
      'LAB_NAME_TAKEN',
      `network namespaces that the lab did not make have its names: ${taken.join(', ')}. ` +
        `If nothing needs them: ${taken.map((name) => `ip netns del ${name}`).join('; ')}`,
    );
  }
  await mkdir(LAB_DIRECTORY, { recursive: true });
  await writeFile(OWNED_FILE, `${ALL_NETNS.join('\n')}\n`);
}

/** The lab's namespaces that exist now. */
export async function ownedNetns(): Promise<readonly string[]> {
  let text: string;
  try {
    text = await readFile(OWNED_FILE, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  const listed = new Set(text.split('\n'));
  return ALL_NETNS.filter((name) => listed.has(name) && netnsExists(name));
}
