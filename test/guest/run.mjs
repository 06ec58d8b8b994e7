#!/usr/bin/env node
// @ts-check
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, stderr, stdout } from 'node:process';
import { pathToFileURL } from 'node:url';
import { bootstrap, ROOT, reportFailure } from '../../src/setup/bootstrap.mjs';
import { GUEST_FAILED, lastWords, runGuest, TIMED_OUT } from './guest.mjs';
import { guestTests } from './guest-tests.mjs';
import { KERNEL_NAMES, provideKernel } from './kernel-packages.mjs';
import { PAIR, runPair } from './pair.mjs';
import { quote } from './shell-words.mjs';

const HELP = `Usage: npm run guest -- [KERNEL] COMMAND

Runs the built project on another kernel: Debian's, unmodified, emulated by qemu. The
guest has this machine's files with a throw-away layer over them, so nothing of it stays.

  KERNEL               ${KERNEL_NAMES.join(' or ')} (default: ${KERNEL_NAMES[0]})

Commands:
  test PROJECT [ARG…]  a test project (native, kernel, scenario): files, -t PATTERN, --retry=N
  shell                a shell as root; leave it with exit
  run WORD…            one command
  pair [ARG…]          the tests of what crosses nodes, in two guests on one Ethernet segment,
                       whatever KERNEL is: the first has ${PAIR[0]}, the second ${PAIR[1]}
  demo [ARG…]          hopscope demo, the dashboard on http://127.0.0.1:7677

  --limit SECONDS      before COMMAND: end the guest after this long
  --cpus N             before COMMAND: processors of the guest (default: 2)

Exit status: the command's; ${TIMED_OUT} when the time was over, ${GUEST_FAILED} when the guest failed.
`;
const DEMO_PORT = 7677;

/**
 * @typedef {import('./kernel-packages.mjs').KernelName} KernelName
 *
 * @typedef {object} Request
 * @property {KernelName} kernel
 * @property {string} command what to do
 * @property {readonly string[]} args
 * @property {number | undefined} limitSeconds
 * @property {number} cpus
 */

/** @param {string} line */
function print(line) {
  stderr.write(`${line}\n`);
}

/** @param {readonly string[]} words @returns {Request | string} what is wrong with them */
function parse(words) {
  const rest = [...words];
  /** @type {KernelName} */
  let kernel = KERNEL_NAMES[0];
  /** @type {number | undefined} */
  let limitSeconds;
  let cpus = 2;
  for (;;) {
    const word = rest.shift();
    if (word === undefined) return 'no command given';
    const named = KERNEL_NAMES.find((name) => name === word);
    if (named !== undefined) kernel = named;
    else if (word === '--limit' || word === '--cpus') {
      const value = Number(rest.shift());
      if (!Number.isInteger(value) || value < 1) return `${word} needs a number from 1 on`;
      if (word === '--limit') limitSeconds = value;
      else cpus = value;
    } else if (['test', 'shell', 'run', 'demo', 'pair'].includes(word)) {
      if (['test', 'run'].includes(word) && rest.length === 0) return `${word} needs to know what`;
      return { kernel, command: word, args: rest, limitSeconds, cpus };
    } else return `no such kernel or command: ${word}`;
  }
}

/**
 * @param {Request} request
 * @param {string} share
 * @returns {Promise<Pick<import('./guest.mjs').GuestOptions, 'command' | 'interactive' | 'devices'>>}
 */
async function job({ command, args }, share) {
  const words = args.map(quote).join(' ');
  const here = `cd ${quote(ROOT)}`;
  switch (command) {
    case 'shell':
      return { command: `${here} && exec bash -i`, interactive: true };
    case 'test':
      return { command: `${here} && ${await guestTests(['--project', ...args], share)}` };
    case 'demo':
      return demoJob(here, words);
    default:
      return { command: `${here} && ${words}` };
  }
}

/**
 * The guest's only way out is the port that is forwarded to the dashboard.
 *
 * @param {string} here goes to the project
 * @param {string} words
 */
function demoJob(here, words) {
  const address = '10.0.2.15';
  return {
    command:
      `modprobe virtio_net && ip address add ${address}/24 dev eth0 && ip link set eth0 up && ` +
      `${here} && { node test/guest/forward-port.mjs ${address} ${DEMO_PORT} > /dev/null 2>&1 < /dev/null & ` +
      `exec node dist/cli/main.js demo --port ${DEMO_PORT} ${words}; }`,
    devices: [
      ...[
        '-netdev',
        `user,id=dashboard,restrict=on,hostfwd=tcp:127.0.0.1:${DEMO_PORT}-${address}:${DEMO_PORT}`,
      ],
      ...['-device', 'virtio-net-pci,netdev=dashboard'],
    ],
  };
}

/** @param {Request} request @param {string} share @returns {Promise<number>} */
async function pair({ args, cpus, limitSeconds }, share) {
  const statuses = await runPair({
    share,
    tests: args,
    cpus,
    ...(limitSeconds === undefined ? {} : { limitSeconds }),
    onLine: (self, line) => stdout.write(`${self}: ${line}\n`),
  });
  return statuses.find((status) => status !== 0) ?? 0;
}

/** @param {readonly string[]} words */
export async function main(words) {
  if (words.includes('--help') || words.includes('-h') || words.length === 0) {
    stdout.write(HELP);
    return 0;
  }
  const request = parse(words);
  if (typeof request === 'string') {
    print(`guest: ${request}\nSee npm run guest -- --help`);
    return 2;
  }
  const share = mkdtempSync(join(tmpdir(), 'hopscope-guest-'));
  try {
    await bootstrap({ test: true });
    if (request.command === 'pair') return await pair(request, share);
    const kernel = await provideKernel(request.kernel, print);
    print(`guest: Linux ${kernel.release}`);
    // The demo prints the address that it has in the guest, which means nothing here.
    if (request.command === 'demo') {
      print(`guest: when it is ready, the dashboard is on http://127.0.0.1:${DEMO_PORT} here`);
    }
    const status = await runGuest({
      ...(await job(request, share)),
      kernel,
      share,
      cpus: request.cpus,
      ...(request.limitSeconds === undefined ? {} : { limitSeconds: request.limitSeconds }),
      onFirstTest: (seconds) => print(`guest: first test after ${seconds.toFixed(1)} s`),
      onOutput: (text) => stdout.write(text),
    });
    if (status === GUEST_FAILED) print(`guest: it failed; its last words:\n${lastWords(share)}`);
    if (status === TIMED_OUT) print(`guest: ended after ${request.limitSeconds} s`);
    return status;
  } catch (error) {
    return reportFailure(error);
  } finally {
    rmSync(share, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(argv[1] ?? '').href) {
  process.exitCode = await main(argv.slice(2));
}
