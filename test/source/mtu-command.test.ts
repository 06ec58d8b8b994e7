import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { hopscope, run } from '../cli/command-line.js';
import { auditFaults } from '../fixtures/contract.js';
import { A, makeAuditedNet, NAMESPACES, P1, removeAuditedNet, setPodMtu } from './audited-net.js';

const THESE = NAMESPACES.flatMap((name) => ['--netns', name]);

beforeAll(makeAuditedNet);
afterAll(removeAuditedNet);

it('status 0 and the ways where nothing is wrong', async () => {
  const { status, out, err } = await hopscope('mtu', ...THESE);
  expect([status, err]).toEqual([0, '']);
  expect(out).toContain(
    `${P1}/eth0 → 10.20.2.0/24  1450  set by ${P1}/eth0 (its MTU)\n` +
      `    ${P1}/eth0 1450 → ${A}/pod0 1450 → ${A}/vx0 1450 → ${A}/up0 in vx0 1450 → `,
  );
  expect(out).toMatch(/\n4 network namespaces, \d+ ways: no fault found\n$/);
});

it('status 1 and a block for each fault, with a remedy that corrects it', async () => {
  await setPodMtu(1500);
  const { status, out, err } = await hopscope('mtu', ...THESE);
  expect([status, err]).toEqual([1, '']);
  expect(out).toContain(`10.20.2.0/24  1450 of 1500 sent  set by ${A}/vx0 (its MTU)`);
  expect(out).toContain(`\n    pod-mtu-above-tunnel at ${A}/pod0\n`);
  const remedy = `ip -n ${P1} link set dev eth0 mtu 1450 && ip -n ${A} link set dev pod0 mtu 1450`;
  expect(out).toContain(
    [
      `error  pod-mtu-above-tunnel  ${A}/pod0  with ${P1}/eth0`,
      '    found mtu 1500, expected mtu 1450',
      '    because vx0 adds 50 bytes to packets of at most 1500 on up0 (read from: device)',
      `    remedy ${remedy}`,
    ].join('\n'),
  );
  expect(out).toMatch(/: 2 errors\n$/);
  const remedies = out.matchAll(/^ {4}remedy (.*)$/gmu);
  for (const [, line = ''] of remedies) expect((await run('sh', ['-c', line])).status).toBe(0);
  expect((await hopscope('mtu', ...THESE)).status).toBe(0);
});

it('JSON Lines as agreed', async () => {
  await setPodMtu(1500);
  const { status, out } = await hopscope('mtu', '--json', ...THESE);
  await setPodMtu(1450);
  expect(status).toBe(1);
  const lines = out.trimEnd().split('\n');
  expect(lines.flatMap(auditFaults)).toEqual([]);
  const types = lines.map((line) => (JSON.parse(line) as { type: string }).type);
  expect(types.filter((type) => type === 'fault')).toHaveLength(2);
  expect(types.indexOf('fault')).toBeGreaterThan(types.lastIndexOf('way'));
});

it('a note alone is status 0', async () => {
  await setPodMtu(1400);
  const { status, out } = await hopscope('mtu', ...THESE);
  await setPodMtu(1450);
  expect(out).toContain('note  mtu-wasted');
  expect(status).toBe(0);
});

it('rules whose tool is missing are said, and the rest is judged', async () => {
  await runIn(A, 'nft', ['add', 'table', 'inet', 't']);
  const tools = mkdtempSync(join(tmpdir(), 'hopscope-mtu-'));
  try {
    symlinkSync('/usr/bin/nsenter', join(tools, 'nsenter'));
    const { status, out, err } = await run('env', [
      ...[`PATH=${tools}`, process.execPath, 'dist/cli/main.js', 'mtu', ...THESE],
    ]);
    expect(status).toBe(0);
    expect(err).toMatch(
      /^hopscope: hs-mtu-a: the table inet t was not read: .* \[FIREWALL_NOT_READ\]\n$/,
    );
    expect(out).toMatch(/no fault found\n$/);
    const quiet = await run('env', [
      ...[`PATH=${tools}`, process.execPath, 'dist/cli/main.js', 'mtu', '--log-level', 'error'],
      ...THESE,
    ]);
    expect([quiet.status, quiet.err]).toEqual([0, '']);
  } finally {
    rmSync(tools, { recursive: true });
    await runIn(A, 'nft', ['delete', 'table', 'inet', 't']);
  }
});

it('status 2 for what it does not take', async () => {
  for (const [args, code] of [
    [['--netns', 'hs-mtu-none'], 'NETNS_NOT_FOUND'],
    [['--no-such-option'], 'BAD_OPTION'],
    [['pod1'], 'MTU_USAGE'],
  ] as const) {
    const { status, out, err } = await hopscope('mtu', ...args);
    expect([status, out]).toEqual([2, '']);
    expect(err).toContain(`[${code}]`);
  }
});

it('status 3 and the remedy without the capability', async () => {
  const { status, out, err } = await run('setpriv', [
    ...['--reuid=65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all'],
    ...[process.execPath, 'dist/cli/main.js', 'mtu'],
  ]);
  expect([status, out]).toEqual([3, '']);
  expect(err).toMatch(/CAP_SYS_ADMIN \[NAMESPACES_NOT_PERMITTED\]\n {2}CAP_SYS_ADMIN: run as root/);
});
