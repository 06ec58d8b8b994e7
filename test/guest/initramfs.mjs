// @ts-check

import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChild } from '../../src/setup/child-process.mjs';
import { SetupError } from '../../src/setup/setup-error.mjs';

/** What reaches the host's root: virtio_pci is a module in 6.1, built in later. */
const MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];
const INIT = fileURLToPath(new URL('initramfs-init.sh', import.meta.url));

/**
 * The archive a guest starts from, beside the kernel it belongs to.
 *
 * @param {import('./kernel-packages.mjs').Kernel} kernel
 * @returns {Promise<string>} path of the file
 * @throws {SetupError} `GUEST_INITRAMFS`
 */
export async function provideInitramfs(kernel) {
  const digest = createHash('sha256').update(readFileSync(INIT)).update(MODULES.join());
  const file = join(kernel.folder, `initramfs-${digest.digest('hex').slice(0, 12)}`);
  if (existsSync(file)) return file;
  const root = mkdtempSync(join(kernel.folder, 'initramfs-build-'));
  try {
    for (const folder of ['bin', 'modules', 'proc', 'sys', 'dev', 'lower', 'layer', 'root']) {
      mkdirSync(join(root, folder));
    }
    copyFileSync('/bin/busybox', join(root, 'bin', 'busybox'));
    copyFileSync(INIT, join(root, 'init'));
    chmodSync(join(root, 'init'), 0o755);
    const order = await moduleFiles(kernel);
    for (const module of order) {
      // busybox loads no compressed module.
      const unpack = module.endsWith('.xz') ? 'xz -dc "$1"' : 'cat "$1"';
      await must('sh', [
        '-c',
        `${unpack} > "$2"`,
        'sh',
        module,
        join(root, 'modules', name(module)),
      ]);
    }
    writeFileSync(join(root, 'modules', 'order'), order.map((m) => `${name(m)}\n`).join(''));
    const part = join(root, 'archive');
    await must('sh', [
      '-c',
      `cd "$1" && find . ! -name archive | cpio --quiet -o -H newc | gzip -1 > "$2"`,
      'sh',
      root,
      part,
    ]);
    renameSync(part, file);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  return file;
}

/** @param {string} module */
function name(module) {
  return basename(module).replace(/\.xz$/, '');
}

/**
 * Of the modules and all they need, the files in the order of loading.
 *
 * @param {import('./kernel-packages.mjs').Kernel} kernel
 */
async function moduleFiles({ release, folder }) {
  /** @type {Set<string>} */
  const files = new Set();
  for (const module of MODULES) {
    const args = ['-S', release, '-d', folder, '--show-depends', module];
    for (const line of (await must('modprobe', args)).split('\n')) {
      const file = /^insmod (\S+)/.exec(line)?.[1];
      if (file !== undefined) files.add(file);
    }
  }
  return [...files];
}

/** @param {string} command @param {readonly string[]} args */
async function must(command, args) {
  const { status, output } = await runChild(command, args);
  if (status !== 0) {
    throw new SetupError('GUEST_INITRAMFS', `${command} failed (status ${status})`, { output });
  }
  return output;
}
