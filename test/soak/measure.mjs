// @ts-check
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const MIB = 1024 * 1024;

/**
 * @typedef {Readonly<Record<string, number>>} Figures by name
 *
 * @typedef {object} Watched
 * @property {number} observer has what is attached
 * @property {number} daemon joins
 * @property {number} server
 */

/**
 * What the processes hold now: MiB, descriptors by kind, and what the kernel has of BPF.
 *
 * @param {Watched} pids
 * @param {string} url where /metrics is
 * @returns {Promise<Figures>}
 */
export async function measure({ observer, daemon, server }, url) {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  /** @param {string} process */
  const heap = (process) =>
    Number(
      new RegExp(`^hopscope_heap_used_bytes\\{process="${process}"\\} (\\S+)`, 'm').exec(
        metrics,
      )?.[1],
    ) / MIB;
  const attached = descriptorsOf(observer);
  const links = attached.filter((target) => target.includes('bpf_link')).length;
  const maps = attached.filter((target) => target.includes('bpf-map')).length;
  return {
    'observer RSS': residentMib(observer),
    'observer descriptors': attached.length - links,
    'daemon RSS': residentMib(daemon),
    'daemon heap': heap('collector'),
    'daemon descriptors': descriptorsOf(daemon).length,
    'observer links': links,
    'observer maps': maps,
    'daemon threads': readdirSync(`/proc/${daemon}/task`).length,
    'server RSS': residentMib(server),
    'server heap': heap('server'),
    'server descriptors': descriptorsOf(server).length,
    children: childrenOf(daemon),
    flows: Number(/^hopscope_flows (\d+)/m.exec(metrics)?.[1]),
  };
}

/** @param {number} pid */
function residentMib(pid) {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1]) / 1024;
}

/** @param {number} pid @returns {string[]} */
function descriptorsOf(pid) {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      // Closed since it was listed.
      return [];
    }
  });
}

/** @param {number} pid */
function childrenOf(pid) {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ').filter(Boolean).length;
}

/**
 * The child of a process that runs one of hopscope's programs.
 *
 * @param {number} parent
 * @param {'joiner-main.js' | 'server-main.js'} program
 */
export function childWith(parent, program) {
  const out = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(parent)], {
    encoding: 'utf8',
  });
  const line = out.split('\n').find((one) => one.includes(program)) ?? '';
  return Number.parseInt(line, 10);
}
