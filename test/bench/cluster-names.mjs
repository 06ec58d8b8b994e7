// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, execPath } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/*
 * What the names of a large cluster cost: the daemon asks an API server of generated objects
 * (generated-cluster.mjs), and its processes are measured before and after, as root.
 *
 *   node test/bench/cluster-names.mjs [NODES SERVICES ENDPOINTS-OF-EACH]
 */

const [nodes = '5000', services = '10000', endpoints = '10'] = argv.slice(2);
const CHANGES = 100;
const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hs-cluster-'));
const config = join(folder, 'config');

const api = spawn(execPath, [here('generated-cluster.mjs'), nodes, services, endpoints, config], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [port] = await once(api.stdout, 'data');
const daemon = spawn(
  execPath,
  [
    ...[here('../../dist/cli/main.js'), 'serve', '--port', '7791'],
    ...['--kubernetes', process.env['NAMES'] ?? config, '--node-name', 'node-0'],
  ],
  { stdio: ['ignore', 'ignore', 'pipe'] },
);
daemon.stderr.on('data', (text) => process.env['VERBOSE'] && process.stderr.write(text));

/** Children of a process, all the way down. @param {number} pid @returns {number[]} */
function family(pid) {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number),
  );
  return [pid, ...children.flatMap(family)];
}

/** @param {number} pid */
function measured(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = (/** @type {string} */ key) =>
    Number(new RegExp(`${key}:\\s+(\\d+)`, 'u').exec(status)?.[1]);
  const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  const name =
    /([a-z-]+)\.js/u.exec(text.filter((each) => /\.js$/u.test(each)).at(-1) ?? '')?.[1] ?? '?';
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return {
    name: `${name} ${pid}`,
    rssMiB: Math.round(kib('VmRSS') / 1024),
    peakMiB: Math.round(kib('VmHWM') / 1024),
    cpuMs: (Number(stat[11]) + Number(stat[12])) * 10,
  };
}

/** @returns {Promise<number | null>} bytes of names in the joiner */
async function namesBytes() {
  try {
    const text = await (await fetch('http://127.0.0.1:7791/metrics')).text();
    return Number(/hopscope_memory_bytes\{part="names"\} (\d+)/u.exec(text)?.[1]);
  } catch {
    return null;
  }
}

const all = () => family(daemon.pid ?? 0).map(measured);
try {
  const begun = performance.now();
  let last = -1;
  let current = 0;
  for (let quiet = 0; quiet < 40; ) {
    await delay(250);
    const bytes = await namesBytes();
    if (process.env['VERBOSE']) console.log(Math.round(performance.now() - begun), bytes);
    if (bytes === null || bytes === 0) continue;
    if (bytes === last) quiet += 1;
    else {
      quiet = 0;
      current = performance.now() - begun;
    }
    last = bytes;
  }
  console.log(
    `names: ${last} bytes in the joiner, there ${Math.round(current)} ms after the start`,
  );
  console.table(all());
  const before = all();
  const changed = performance.now();
  await fetch(`http://127.0.0.1:${String(port).trim()}/change?count=${CHANGES}`, {
    method: 'POST',
  });
  await delay(3_000);
  console.log(`${CHANGES} changes, within 3 s:`, Math.round(performance.now() - changed));
  const after = all();
  console.table(
    after.map((each, i) => ({ name: each.name, cpuMs: each.cpuMs - (before[i]?.cpuMs ?? 0) })),
  );
  await delay(3_000);
  const idle = all();
  console.log('3 s without a change:');
  console.table(
    idle.map((each, i) => ({ name: each.name, cpuMs: each.cpuMs - (after[i]?.cpuMs ?? 0) })),
  );
  console.log('asked of the API server, bytes:');
  console.log(await (await fetch(`http://127.0.0.1:${String(port).trim()}/asked`)).json());
} finally {
  daemon.kill('SIGTERM');
  await Promise.race([once(daemon, 'exit'), delay(10_000)]);
  api.kill();
  rmSync(folder, { recursive: true });
}
