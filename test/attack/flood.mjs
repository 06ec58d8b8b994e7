// @ts-check
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scratch } from '../bench/load-program.mjs';
import { inNetns, output, start } from '../bench/processes.mjs';
import { CLIENT, SERVER } from './chain.mjs';

const SOURCE = fileURLToPath(new URL('flood.c', import.meta.url));
const HOSTILE = fileURLToPath(new URL('hostile.mjs', import.meta.url));
const FIRST_PORT = 7_000;
const PORTS = 8;
const NOBODY = '65534';
const LIMIT_MS = 10_000;

/** @type {string | null} */
let program = null;

/** flood.c, compiled. */
function floodProgram() {
  if (program === null) {
    program = join(scratch(), 'flood');
    execFileSync('clang', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', program, SOURCE]);
  }
  return program;
}

/** What answers the datagrams, at the end of the row. */
export function startEcho() {
  const command = [floodProgram(), 'echo', String(PORTS), String(FIRST_PORT)];
  return start(inNetns(SERVER.netns, command), {
    ready: /^ready$/,
    limitMs: LIMIT_MS,
    endBy: 'end of input',
  });
}

/**
 * Datagrams of so many flows in turn, with their answers.
 *
 * @param {{ flows: number, rate: number, seconds: number }} flood rate in datagrams a second
 * @returns {Promise<{ sent: number, refused: number, seconds: number }>}
 */
export async function flood({ flows, rate, seconds }) {
  const words = [CLIENT.address, SERVER.address, FIRST_PORT, flows, rate, seconds].map(String);
  return JSON.parse(await output(inNetns(CLIENT.netns, [floodProgram(), 'send', ...words])));
}

/**
 * Clients of hostile.mjs, as nobody, until `stop`, which gives what came of it.
 *
 * @param {string} attack
 * @param {number} port
 * @param {number} clients
 */
export async function startHostile(attack, port, clients) {
  const child = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', '--reuid', NOBODY, '--regid', NOBODY, '--clear-groups'],
      ...[process.execPath, HOSTILE, attack, String(port), String(clients)],
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  await Promise.race([once(child.stdout, 'data'), once(child, 'close')]);
  if (!text.startsWith('ready')) throw new Error(`hostile.mjs ${attack} did not begin`);
  return {
    /** @returns {Promise<{ connections: number, ended: number, answers: number, endedAfterMs: number }>} */
    stop: async () => {
      child.stdin.end();
      await once(child, 'close');
      return JSON.parse(text.trim().split('\n').at(-1) ?? '');
    },
  };
}
