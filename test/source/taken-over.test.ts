import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { FaultyProcess } from '../faults/faulty-process.js';

let daemon: FaultyProcess | null = null;
afterEach(() => daemon?.remove());

/** Runs code in a process as somebody could who has taken it over; what it returns is JSON. */
async function runIn(url: string, code: string): Promise<unknown> {
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  const expression = `JSON.stringify((() => { ${code} })())`;
  socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }));
  const answer = await new Promise<string>((resolve) => {
    socket.on('message', (data) => resolve(String(data)));
  });
  socket.close();
  const { result } = JSON.parse(answer) as { result: { result: { value?: string } } };
  if (result.result.value === undefined) throw new Error(answer);
  return JSON.parse(result.result.value);
}

/** What a descriptor is of; empty when it was closed since. */
function linkOf(pid: number, descriptor: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${descriptor}`);
  } catch {
    return '';
  }
}

const ATTEMPTS = `
  const fs = process.getBuiltinModule('fs');
  const { spawnSync } = process.getBuiltinModule('child_process');
  const outcome = (act) => { try { act(); return 'done'; } catch (error) { return error.code; } };
  const status = (file, ...args) => spawnSync(file, args).status === 0 ? 'done' : 'refused';
  return {
    secret: outcome(() => fs.readFileSync('/etc/shadow')),
    write: outcome(() => fs.writeFileSync('/etc/hopscope-taken-over', '')),
    memory: outcome(() => fs.openSync('/proc/' + process.ppid + '/mem', 'r')),
    observer: outcome(() => process.kill(process.ppid, 'SIGKILL')),
    root: outcome(() => process.setuid(0)),
    namespace: status('unshare', '-n', 'true'),
    userNamespace: status('unshare', '-U', 'true'),
    enter: status('nsenter', '-t', '1', '-n', 'true'),
    device: status('ip', 'link', 'add', 'hs-taken', 'type', 'dummy'),
    rules: status('nft', 'add', 'table', 'ip', 'hs-taken'),
    mount: status('mount', '-t', 'tmpfs', 'none', '/mnt'),
    trace: status('python3', '-c', 'import ctypes; exit(ctypes.CDLL(None).ptrace(16, 1, 0, 0) == -1)'),
    program: status('python3', '-c',
      'import ctypes; exit(ctypes.CDLL(None).syscall(321, 0, bytes(128), 128) < 0)'),
    listeners: process.getActiveResourcesInfo().filter((name) => /Server/.test(name)),
  };`;

test('whoever takes over the process that joins can do nothing to the machine', async () => {
  daemon = await FaultyProcess.ready(['serve', '--port', '0'], [], undefined, ['--inspect-port=0']);
  const joiner = daemon.descendant('joiner-main.js');
  const server = daemon.descendant('server-main.js');
  for (const pid of [joiner, server]) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
      expect(status).not.toMatch(/^Uid:\s0\b/mu);
      expect(status).toMatch(/^CapPrm:\s0+$/mu);
      expect(status).toMatch(/^CapEff:\s0+$/mu);
      expect(status).toMatch(/^NoNewPrivs:\s1$/mu);
      expect(status).toMatch(/^Seccomp:\s2$/mu);
    }
  }
  // Node opens its inspector at this signal: it runs whatever it is given.
  process.kill(joiner ?? 0, 'SIGUSR1');
  const inspector = /ws:\/\/127\.0\.0\.1:\d+\/\S+/u;
  await expect.poll(() => inspector.test(daemon?.err ?? ''), { timeout: 20_000 }).toBe(true);
  const url = inspector.exec(daemon.err)?.[0] ?? '';
  expect(await runIn(url, ATTEMPTS)).toEqual({
    secret: 'EACCES',
    write: 'EACCES',
    memory: 'EACCES',
    observer: 'EPERM',
    root: 'EPERM',
    namespace: 'refused',
    userNamespace: 'refused',
    enter: 'refused',
    device: 'refused',
    rules: 'refused',
    mount: 'refused',
    trace: 'refused',
    program: 'refused',
    listeners: [],
  });
  expect((await fetch(`${daemon.url}/healthz`)).status).toBe(200);
  expect(await daemon.end('SIGTERM')).toBe(0);
  await daemon.expectNothingLeft();
}, 120_000);

test('the process that observes keeps what observing needs, and listens nowhere', async () => {
  daemon = await FaultyProcess.ready(['serve', '--port', '0']);
  const observer = daemon.descendant('cli/main.js') ?? 0;
  const status = readFileSync(`/proc/${observer}/status`, 'utf8');
  const held = BigInt(`0x${/^CapEff:\s(\w+)$/mu.exec(status)?.[1] ?? ''}`);
  // NET_ADMIN, NET_RAW, SYS_PTRACE, SYS_ADMIN, SYSLOG, PERFMON, BPF: include/uapi/linux/capability.h
  const most = [12, 13, 19, 21, 34, 38, 39].reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n);
  expect(held & ~most).toBe(0n);
  expect(held).not.toBe(0n);
  const listening = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/u))
    .filter((fields) => fields[3] === '0A')
    .map((fields) => fields[9]);
  const sockets = readdirSync(`/proc/${observer}/fd`).map((fd) => linkOf(observer, fd));
  for (const inode of listening) expect(sockets).not.toContain(`socket:[${inode}]`);
  expect(await daemon.end('SIGTERM')).toBe(0);
  await daemon.expectNothingLeft();
}, 120_000);

test('an observer that is gone ends the others; a joiner that is gone, the observer', async () => {
  for (const name of ['cli/main.js', 'joiner-main.js']) {
    daemon = await FaultyProcess.ready(['serve', '--port', '0']);
    daemon.note();
    process.kill(daemon.descendant(name) ?? 0, 'SIGKILL');
    expect(await daemon.ended()).toBe(name === 'cli/main.js' ? 'SIGKILL' : 1);
    if (name === 'joiner-main.js') expect(daemon.err).toContain('[JOINER_ENDED]');
    await daemon.expectNothingLeft();
  }
}, 120_000);
