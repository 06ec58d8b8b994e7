import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DESCRIPTORS_MAX, sendUnixDatagram } from 'ebpf-ts';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { bpfErrorOf } from './expect-bpf-error.js';

/** Binds, says so, and writes one line of hexadecimal digits for each datagram. */
const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(chr(0) + sys.argv[1][1:] if sys.argv[1][0] == '@' else sys.argv[1])
print('bound', flush=True)
while sys.argv[2] == 'reads':
    print('got ' + s.recv(65536).hex(), flush=True)
sys.stdin.read()
`;

const folder = mkdtempSync(join(tmpdir(), 'ebpf-ts-datagram-'));
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function receiver(
  address: string,
  how: 'reads' | 'sleeps' = 'reads',
): Promise<AsyncIterator<string>> {
  const child = spawn('python3', ['-c', RECEIVER, address, how], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('bound');
  return lines;
}

describe('sendUnixDatagram', () => {
  test.each([
    ['a path', join(folder, 'receiver')],
    ['the longest path', join(folder, 'r'.repeat(107 - folder.length - 1))],
    ['an abstract name', `@ebpf-ts-datagram-${process.pid}`],
    ['the longest abstract name', `@${`ebpf-ts-${process.pid}-`.padEnd(107, 'x')}`],
  ])('sends to %s, each call one datagram', async (_, address) => {
    const lines = await receiver(address);
    for (const bytes of [Buffer.from('READY=1\nSTATUS=ä'), Uint8Array.of(0, 255, 10, 0)]) {
      sendUnixDatagram(address, bytes);
      expect((await lines.next()).value).toBe(`got ${Buffer.from(bytes).toString('hex')}`);
    }
    sendUnixDatagram(address, new Uint8Array(0));
    expect((await lines.next()).value).toBe('got ');
  });

  test('says who does not receive, and waits for nobody', async () => {
    const data = Uint8Array.of(1);
    bpfErrorOf(() => sendUnixDatagram(join(folder, 'nobody'), data), 'ENOENT');
    bpfErrorOf(() => sendUnixDatagram(`@ebpf-ts-nobody-${process.pid}`, data), 'ECONNREFUSED');
    bpfErrorOf(() => sendUnixDatagram(`/${'x'.repeat(107)}`, data), 'ENAMETOOLONG');
    bpfErrorOf(() => sendUnixDatagram(`@${'x'.repeat(108)}`, data), 'ENAMETOOLONG');
    const sleeper = join(folder, 'sleeper');
    await receiver(sleeper, 'sleeps');
    // net.unix.max_dgram_qlen is how many wait for who does not read.
    bpfErrorOf(() => {
      for (let i = 0; i < 100_000; i++) sendUnixDatagram(sleeper, data);
    }, 'EAGAIN');
  });

  test('keeps no descriptor', async () => {
    const address = `@ebpf-ts-descriptors-${process.pid}`;
    const lines = await receiver(address);
    const open = (): number => readdirSync('/proc/self/fd').length;
    const before = open();
    for (let i = 0; i < 2_000; i++) {
      sendUnixDatagram(address, Uint8Array.of(i & 0xff));
      await lines.next();
    }
    expect(open()).toBe(before);
  });

  test.each([
    ['', Uint8Array.of(1)],
    ['a\0b', Uint8Array.of(1)],
    ['/run/x', 'text'],
    [1, Uint8Array.of(1)],
  ])('refuses %o with %o', (address, data) => {
    bpfErrorOf(() => sendUnixDatagram(address as string, data as Uint8Array), 'BPF_BAD_ARGUMENT');
  });
});

test('descriptors go with it, and stay open here', async () => {
  const address = `@ebpf-ts-with-descriptors-${process.pid}`;
  const receiver = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(chr(0) + sys.argv[1][1:])
print('bound', flush=True)
data, fds, _, _ = socket.recv_fds(s, 100, 10)
print(data.decode(), [os.readlink('/proc/self/fd/%d' % fd) for fd in fds], flush=True)`;
  const child = spawn('python3', ['-c', receiver, address], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  const file = openSync('/etc/hostname', 'r');
  bpfErrorOf(() => sendUnixDatagram(address, Uint8Array.of(1), [100_000]), 'EBADF');
  sendUnixDatagram(address, Buffer.from('FDSTORE=1'), [file, file]);
  expect((await lines.next()).value).toBe("FDSTORE=1 ['/etc/hostname', '/etc/hostname']");
  expect(fstatSync(file).isFile()).toBe(true);
  closeSync(file);
  const tooMany = Array.from({ length: DESCRIPTORS_MAX + 1 }, () => 0);
  bpfErrorOf(() => sendUnixDatagram(address, Uint8Array.of(1), tooMany), 'BPF_BAD_ARGUMENT');
});

test('a receiver that ended is refused', async () => {
  const address = join(folder, 'ended');
  await receiver(address);
  const [child] = children;
  child?.kill('SIGKILL');
  if (child !== undefined) await once(child, 'exit');
  bpfErrorOf(() => sendUnixDatagram(address, Uint8Array.of(1)), 'ECONNREFUSED');
});
