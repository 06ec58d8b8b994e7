// @ts-check
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError } from '../../src/setup/setup-error.mjs';
import { provideInitramfs } from './initramfs.mjs';
import { quote } from './shell-words.mjs';

const INSIDE = fileURLToPath(new URL('inside.sh', import.meta.url));
/** Exit status of a guest that was ended because its time was over, as timeout(1) has it. */
export const TIMED_OUT = 124;
/** Of a guest that ended without leaving a status: the kernel's last words are in console.log. */
export const GUEST_FAILED = 125;
/** A file in the shared folder, made when the first test begins (test-runner.mjs). */
const FIRST_TEST = 'first-test';
const MEMORY = '3G';
/**
 * An old one: programs take the wider vector instructions where there are any, emulated too.
 * But with random numbers: without them the first who asks for some waits until the kernel has
 * gathered them from its clock, a second of work.
 */
const CPU = 'Nehalem,+rdrand';
const KERNEL_OPTIONS = [
  'console=ttyS0',
  'quiet',
  // With -no-reboot: a guest that panics ends at once.
  'panic=-1',
  'mitigations=off',
  // Interrupts by the older table: to ask ACPI's takes a second and a half.
  'acpi=noirq',
  'cryptomgr.notests',
  // Tests of a random generator and keys for signed modules, half a second without use here.
  'initcall_blacklist=jent_mod_init,load_system_certificate_list',
];
/** Lines shown of a guest that failed. */
const LAST_WORDS = 30;
/**
 * Translated code kept, MiB: a run of Node fills the default several times over, and each
 * time all of it is translated anew.
 */
const TRANSLATION_BUFFER_MIB = 512;

/**
 * @typedef {object} GuestOptions
 * @property {import('./kernel-packages.mjs').Kernel} kernel
 * @property {string} share folder of the host that the guest has as /run/guest, writable;
 *   afterwards it holds console.log with the kernel's messages
 * @property {string} command for a POSIX shell, run as root in the host's root with a throw-away layer
 * @property {Readonly<Record<string, string>>} [environment]
 * @property {number} [cpus]
 * @property {number} [limitSeconds] no limit without it
 * @property {boolean} [interactive] hands this process's terminal to the command
 * @property {string} [name] the guest's host name
 * @property {readonly string[]} [devices] more arguments of qemu
 * @property {(text: string) => void} [onOutput] gets what the command prints
 * @property {(seconds: number) => void} [onFirstTest] gets how long after the start of the
 *   emulator the first test began
 * @property {AbortSignal} [signal] ends the guest
 */

/**
 * Boots a guest, runs one command in it and switches it off. Nothing of it is left but what
 * it wrote into `share`; when this process ends, however it ends, the guest ends too.
 *
 * @param {GuestOptions} options
 * @returns {Promise<number>} exit status of the command, TIMED_OUT or GUEST_FAILED
 * @throws {SetupError} `GUEST_EMULATOR` when qemu cannot be started
 */
export async function runGuest(options) {
  const { kernel, share, interactive = false, cpus = 2 } = options;
  mkdirSync(share, { recursive: true });
  for (const left of ['status', FIRST_TEST]) rmSync(join(share, left), { force: true });
  copyFileSync(INSIDE, join(share, 'inside.sh'));
  writeFileSync(join(share, 'command.sh'), `${options.command}\n`);
  writeFileSync(join(share, 'environment.sh'), environmentText(options));
  const initramfs = await provideInitramfs(kernel);
  const started = performance.now();
  const watcher = watch(share, (_, file) => {
    if (file !== FIRST_TEST) return;
    watcher.close();
    options.onFirstTest?.((performance.now() - started) / 1000);
  });
  const status = await runEmulator(options, [
    ...['-accel', `tcg,thread=multi,tb-size=${TRANSLATION_BUFFER_MIB}`],
    ...['-smp', String(cpus), '-cpu', CPU, '-m', MEMORY],
    ...['-nodefaults', '-no-user-config', '-nographic', '-no-reboot'],
    ...['-kernel', kernel.image, '-initrd', initramfs],
    // With one processor, instructions for several need not be taken out, one by one.
    ...['-append', [...KERNEL_OPTIONS, ...(cpus === 1 ? ['noreplace-smp'] : [])].join(' ')],
    ...['-serial', `file:${join(share, 'console.log')}`],
    ...['-chardev', `stdio,id=command,signal=${interactive ? 'off' : 'on'}`],
    ...['-serial', 'chardev:command', '-device', 'virtio-rng-pci'],
    ...['-virtfs', 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap'],
    ...['-virtfs', `local,path=${share},mount_tag=share,security_model=none,multidevs=remap`],
    ...(options.devices ?? []),
  ]).finally(() => watcher.close());
  if (status === TIMED_OUT) return TIMED_OUT;
  if (!existsSync(join(share, 'status'))) return GUEST_FAILED;
  return Number(readFileSync(join(share, 'status'), 'utf8'));
}

/**
 * The end of what the guest's kernel said.
 *
 * @param {string} share
 */
export function lastWords(share) {
  const file = join(share, 'console.log');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '(nothing)';
  return text.split('\n').slice(-LAST_WORDS).join('\n');
}

/** @param {GuestOptions} options */
function environmentText({ kernel, interactive = false, name = 'guest', environment = {} }) {
  const own = {
    GUEST_MODULES: kernel.modules,
    GUEST_NAME: name,
    GUEST_INTERACTIVE: interactive ? '1' : '0',
    // This very Node, wherever it is: the guest has the host's files.
    GUEST_NODE: process.execPath,
  };
  return Object.entries({ ...own, ...environment })
    .map(([key, value]) => `export ${key}=${quote(value)}\n`)
    .join('');
}

/** @param {GuestOptions} options @param {readonly string[]} args @returns {Promise<number>} */
function runEmulator(options, args) {
  const { interactive = false, limitSeconds, signal } = options;
  return new Promise((resolve, reject) => {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args], {
      stdio: interactive ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    });
    let timedOut = false;
    const end = () => child.kill('SIGKILL');
    const timer =
      limitSeconds === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            end();
          }, limitSeconds * 1000);
    signal?.addEventListener('abort', end, { once: true });
    let complaints = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => options.onOutput?.(text));
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      complaints += text;
    });
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new SetupError('GUEST_EMULATOR', error.message, { status: 3 }));
    });
    child.on('close', (status) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      if (timedOut) resolve(TIMED_OUT);
      else if (status !== 0 && complaints !== '' && !signal?.aborted) {
        reject(
          new SetupError('GUEST_EMULATOR', 'qemu ended by itself', {
            output: complaints,
            status: 3,
          }),
        );
      } else resolve(status ?? GUEST_FAILED);
    });
  });
}
