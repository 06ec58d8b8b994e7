import { execFileSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { netnsIds, QUERY_PARTS_MAX, queryNetns } from 'ebpf-ts';
import { expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { bpfErrorOf } from './expect-bpf-error.js';
import { createNetworkNamespace } from './network-namespace.js';

const OWN = '/proc/self/ns/net';
const NETLINK_ROUTE = 0;
const RTM_GETLINK = 18;
const NLM_F_DUMP = 0x300;
/** struct ifinfomsg of any family. */
const LINKS = {
  protocol: NETLINK_ROUTE,
  type: RTM_GETLINK,
  flags: NLM_F_DUMP,
  body: new Uint8Array(16),
};

/** ifindex of each message: header 16 bytes, then family, padding, type. */
function ifindexes(data: Uint8Array): number[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const found: number[] = [];
  for (let at = 0; at < data.length; at += (view.getUint32(at, true) + 3) & ~3) {
    found.push(view.getInt32(at + 20, true));
  }
  return found;
}

test('the caller’s own namespace answers without a privilege', async () => {
  const { answers, files } = await queryNetns(OWN, [LINKS], ['/proc/sys/net/ipv4/ip_forward']);
  expect(answers[0]).toMatchObject({ code: null, interrupted: false });
  expect(ifindexes(answers[0]?.data ?? new Uint8Array())).toContain(1);
  expect(Buffer.from(files[0]?.data ?? []).toString()).toMatch(/^[01]\n$/);
});

test('what one request or file meets is its own, the others are answered', async () => {
  const { answers, files } = await queryNetns(
    OWN,
    [{ ...LINKS, body: new Uint8Array(1) }, { ...LINKS, protocol: 255 }, LINKS],
    ['/proc/sys/net/none', '/proc/sys/net/ipv4/ip_forward'],
  );
  expect(answers.map(({ code }) => code)).toEqual(['EINVAL', 'EPROTONOSUPPORT', null]);
  expect(ifindexes(answers[2]?.data ?? new Uint8Array())).toContain(1);
  expect(files.map(({ code }) => code)).toEqual(['ENOENT', null]);
});

test('one byte past the limit is refused', async () => {
  const whole = (await queryNetns(OWN, [LINKS])).answers[0]?.data.length ?? 0;
  const exact = await queryNetns(OWN, [LINKS], [], whole);
  expect(exact.answers[0]?.code).toBe(null);
  const less = await queryNetns(OWN, [LINKS], [], whole - 1);
  expect(less.answers[0]?.code).toBe('EMSGSIZE');
});

test('arguments are checked', () => {
  const request = LINKS as never;
  bpfErrorOf(() => queryNetns('', [request]), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => queryNetns(OWN, 7 as never), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => queryNetns(OWN, [null as never]), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => queryNetns(OWN, [{ ...LINKS, type: 65_536 }]), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => queryNetns(OWN, [{ ...LINKS, body: 'x' as never }]), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => queryNetns(OWN, [], ['a\0b']), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => queryNetns(OWN, [], [], -1), 'BPF_BAD_ARGUMENT');
  const many = Array<string>(QUERY_PARTS_MAX + 1).fill(OWN);
  bpfErrorOf(() => netnsIds(OWN, many), 'BPF_BAD_ARGUMENT');
});

describeAsRoot('another namespace', () => {
  test('answers for itself, and the thread is back afterwards', async () => {
    const before = readlinkSync('/proc/thread-self/ns/net');
    const netns = createNetworkNamespace('ebpf-ts-query');
    try {
      execFileSync('ip', [
        '-n',
        'ebpf-ts-query',
        'link',
        'add',
        'one',
        'index',
        '77',
        'type',
        'veth',
      ]);
      const { answers } = await queryNetns(netns.path, [LINKS]);
      expect(ifindexes(answers[0]?.data ?? new Uint8Array())).toContain(77);
      // Each thread of the pool once and more.
      const own = await Promise.all(Array.from({ length: 8 }, () => queryNetns(OWN, [LINKS])));
      for (const {
        answers: [mine],
      } of own) {
        expect(ifindexes(mine?.data ?? new Uint8Array())).not.toContain(77);
      }
      expect(readlinkSync('/proc/thread-self/ns/net')).toBe(before);
    } finally {
      netns.remove();
    }
  });

  test('has a number for those it has met, and is given none', async () => {
    const names = ['ebpf-ts-ids-a', 'ebpf-ts-ids-b', 'ebpf-ts-ids-c'] as const;
    const made = names.map((name) => createNetworkNamespace(name));
    try {
      const [a, b, c] = made.map(({ path }) => path) as [string, string, string];
      execFileSync('ip', [
        '-n',
        names[0],
        ...'link add eth0 type veth peer name eth0 netns'.split(' '),
        names[1],
      ]);
      const link = JSON.parse(
        execFileSync('ip', ['-j', '-n', names[0], 'link', 'show', 'eth0'], { encoding: 'utf8' }),
      ) as { link_netnsid: number }[];
      for (let again = 0; again < 2; again++) {
        expect(await netnsIds(a, [c, b, '/run/netns/ebpf-ts-none'])).toEqual([
          null,
          link[0]?.link_netnsid,
          null,
        ]);
      }
    } finally {
      for (const each of made) each.remove();
    }
  });

  test('that is none is an error', async () => {
    await expect(queryNetns('/etc/hostname', [LINKS])).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(queryNetns('/run/netns/ebpf-ts-none', [])).rejects.toMatchObject({
      code: 'ENOENT',
    });
    await expect(netnsIds('/proc/self/ns/uts', [])).rejects.toMatchObject({ code: 'EINVAL' });
  });
});
