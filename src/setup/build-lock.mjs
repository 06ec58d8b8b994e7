// @ts-check
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SetupError } from './setup-error.mjs';

const POLL_MS = 200;
/** A whole build from nothing takes about two minutes on two cores. */
const WAIT_LIMIT_MS = 20 * 60 * 1000;

/**
 * Do `work` while holding the lock file, so that two builds in one checkout take
 * turns. A lock whose process is gone is taken over.
 *
 * @template T
 * @param {string} file
 * @param {(line: string) => void} report
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withBuildLock(file, report, work) {
  mkdirSync(dirname(file), { recursive: true });
  const deadline = Date.now() + WAIT_LIMIT_MS;
  let said = false;
  while (!tryLock(file)) {
    const holder = readHolder(file);
    if (holder !== null && !isAlive(holder)) {
      rmSync(file, { force: true });
      continue;
    }
    if (!said) report(`waiting for another build (process ${holder ?? 'unknown'})`);
    said = true;
    if (Date.now() > deadline) {
      throw new SetupError(
        'SETUP_LOCKED',
        `another build holds ${file}; remove it if that is wrong`,
      );
    }
    await delay(POLL_MS);
  }
  const release = () => rmSync(file, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

/** @param {string} file */
function tryLock(file) {
  try {
    writeFileSync(file, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  }
}

/** @param {string} file @returns {number | null} */
function readHolder(file) {
  try {
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}
