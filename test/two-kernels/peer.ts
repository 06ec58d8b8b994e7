import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A folder that both kernels write to, and which of the two this one is. */
const FOLDER = process.env['HOPSCOPE_PEER_FOLDER'];
const SELF = process.env['HOPSCOPE_PEER_SELF'];
const POLL_MS = 100;
const WAIT_LIMIT_MS = 200_000;

export type Side = 'first' | 'second';

/** @throws Error where there is no other kernel */
export function side(): Side {
  if (SELF === 'first' || SELF === 'second') return SELF;
  throw new Error('these tests need a second kernel: run them with npm run guest -- pair');
}

/** Comes back once both have come to the point of this name. */
export async function meet(name: string): Promise<void> {
  await exchange(`${name} reached`, null);
}

/** Gives the other kernel `what`, and returns what that gives under the same name. */
export async function exchange<T>(name: string, what: T): Promise<T> {
  const other = side() === 'first' ? 'second' : 'first';
  const mine = fileOf(name, side());
  // The other must not read what is half written.
  writeFileSync(mine, JSON.stringify(what));
  writeFileSync(`${mine}.done`, '');
  const theirs = fileOf(name, other);
  const started = performance.now();
  while (!existsSync(`${theirs}.done`)) {
    if (performance.now() - started > WAIT_LIMIT_MS) {
      throw new Error(`the other kernel did not come to "${name}"`);
    }
    await delay(POLL_MS);
  }
  return JSON.parse(readFileSync(theirs, 'utf8')) as T;
}

function fileOf(name: string, of: Side): string {
  if (FOLDER === undefined) throw new Error('HOPSCOPE_PEER_FOLDER is not set');
  return join(FOLDER, `${name.replaceAll(/\W+/g, '-')}.${of}.json`);
}
