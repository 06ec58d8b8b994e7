// @ts-check
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { runChild } from '../../src/setup/child-process.mjs';
import { withFileLock } from '../../src/setup/file-lock.mjs';
import { SetupError } from '../../src/setup/setup-error.mjs';
import { provideUnpacked } from './kernel-image.mjs';

/**
 * Kernels that people run, as Debian packages them. The generic flavour: the cloud
 * flavour has no 9p, by which a guest reaches the host's root.
 */
const PACKAGE_NAMES = {
  6.12: /^linux-image-6\.12\.\d+\+deb12-amd64-unsigned$/,
  6.1: /^linux-image-6\.1\.\d+-\d+-amd64-unsigned$/,
};

export const KERNEL_NAMES = /** @type {const} */ (['6.12', '6.1']);

/**
 * @typedef {(typeof KERNEL_NAMES)[number]} KernelName
 *
 * @typedef {object} Kernel an unpacked package
 * @property {KernelName} name
 * @property {string} release what uname -r says
 * @property {string} image what qemu starts: the kernel unpacked, or as it is packaged
 * @property {string} folder with lib/modules/RELEASE in it
 * @property {string} modules lib/modules/RELEASE of it
 */

/** Kept from one run to the next, outside the checkout. */
export const CACHE_FOLDER = join(
  env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'hopscope',
  'kernels',
);

/**
 * The newest package of a kernel, fetched and unpacked unless it is already.
 *
 * @param {KernelName} name
 * @param {(line: string) => void} report
 * @returns {Promise<Kernel>}
 * @throws {SetupError} `GUEST_KERNEL`
 */
export async function provideKernel(name, report) {
  mkdirSync(CACHE_FOLDER, { recursive: true });
  return withFileLock(join(CACHE_FOLDER, `lock-${name}`), report, async () => {
    const newest = await newestPackage(name);
    const kept = readdirSync(CACHE_FOLDER).filter((entry) => PACKAGE_NAMES[name].test(entry));
    // Without the package lists (an unpacked kernel needs no network), what is there will do.
    const wanted = newest ?? kept.sort(byVersion).at(-1);
    if (wanted === undefined) {
      throw new SetupError(
        'GUEST_KERNEL',
        `apt knows no kernel ${name} (${PACKAGE_NAMES[name].source}); it takes the newest of ` +
          'Debian 12 and of its security archive: see to it that both are in the sources',
        { status: 3 },
      );
    }
    const folder = join(CACHE_FOLDER, wanted);
    if (!existsSync(folder)) await unpack(wanted, folder, report);
    for (const old of kept.filter((entry) => entry !== wanted)) {
      rmSync(join(CACHE_FOLDER, old), { recursive: true, force: true });
    }
    return await describe(name, folder);
  });
}

/** @param {KernelName} name @returns {Promise<string | undefined>} */
async function newestPackage(name) {
  const listed = () =>
    runChild('apt-cache', ['pkgnames', `linux-image-${name}.`]).then(({ output }) =>
      output.split('\n').filter((line) => PACKAGE_NAMES[name].test(line)),
    );
  let names = await listed();
  if (names.length === 0) {
    await runChild('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=300', 'update']);
    names = await listed();
  }
  return names.sort(byVersion).at(-1);
}

/** @param {string} a @param {string} b */
function byVersion(a, b) {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** @param {string} name @param {string} folder @param {(line: string) => void} report */
async function unpack(name, folder, report) {
  report(`fetching the kernel of ${name}`);
  const part = `${folder}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part);
  const steps = [
    // -o: the folder belongs to root, and apt's own user cannot write into it.
    ['apt-get', '-q', '-o', 'APT::Sandbox::User=root', 'download', name],
    ['sh', '-c', 'dpkg-deb -x *.deb . && rm *.deb && depmod -b . "$(ls lib/modules)"'],
  ];
  for (const [command = '', ...args] of steps) {
    let result = await runChild(command, args, { cwd: part });
    if (result.status !== 0 && command === 'apt-get') {
      // The list may name a version that the archive has replaced since.
      await runChild('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=300', 'update']);
      result = await runChild(command, args, { cwd: part });
    }
    if (result.status !== 0) {
      throw new SetupError('GUEST_KERNEL', `${name} could not be fetched: ${command} failed`, {
        output: result.output,
      });
    }
  }
  renameSync(part, folder);
}

/** @param {KernelName} name @param {string} folder @returns {Promise<Kernel>} */
async function describe(name, folder) {
  const release = readdirSync(join(folder, 'lib', 'modules'))[0];
  if (release === undefined) {
    throw new SetupError('GUEST_KERNEL', `${folder} holds no kernel; remove it and try again`);
  }
  return {
    name,
    release,
    image: await provideUnpacked(join(folder, 'boot', `vmlinuz-${release}`)),
    folder,
    modules: join(folder, 'lib', 'modules', release),
  };
}
