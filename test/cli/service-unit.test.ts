import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, test } from 'vitest';
import { KEPT_DESCRIPTORS_LIMIT } from '../../src/cli/kept-descriptors.js';
import { serviceUnit } from '../../src/cli/service-unit.js';
import { hopscope, MAIN, run } from './command-line.js';

const folder = mkdtempSync(join(tmpdir(), 'hopscope-unit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function setting(unit: string, name: string): string | undefined {
  return new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1];
}

it('runs this hopscope with this Node, and restarts it where a restart can help', () => {
  const unit = serviceUnit({ config: '/etc/hopscope.yaml' });
  expect(setting(unit, 'ExecStart')).toMatch(
    /^\/\S+ \/\S+\/main\.js serve --config \/etc\/hopscope\.yaml$/,
  );
  expect(setting(unit, 'Type')).toBe('notify');
  expect(Number(setting(unit, 'WatchdogSec'))).toBeGreaterThan(0);
  expect(setting(unit, 'Restart')).toBe('on-failure');
  expect(Number(setting(unit, 'FileDescriptorStoreMax'))).toBe(KEPT_DESCRIPTORS_LIMIT);
  expect(setting(unit, 'RestartPreventExitStatus')).toBe('2 3');
  expect(setting(serviceUnit({ config: null }), 'ExecStart')).toMatch(/main\.js serve$/);
});

it.each([
  ['6.18.44-fc', ''],
  ['6.6.0', ''],
  ['10.0-rc1', ''],
  ['6.5.13', ' CAP_NET_RAW'],
  ['6.1.0-56-amd64', ' CAP_NET_RAW'],
  ['5.17', ' CAP_NET_RAW'],
])('has the capabilities that kernel %s needs, and no other', (kernel, more) => {
  expect(setting(serviceUnit({ config: null, kernel }), 'CapabilityBoundingSet')).toBe(
    `CAP_BPF CAP_PERFMON CAP_NET_ADMIN CAP_SYS_ADMIN CAP_SYSLOG${more} CAP_SETUID CAP_SETGID`,
  );
});

test('what lies in /tmp is not hidden from it', () => {
  const at = (main: string, config: string | null): string | undefined =>
    setting(serviceUnit({ main, config }), 'PrivateTmp');
  expect(at('/opt/hopscope/dist/cli/main.js', null)).toBe('yes');
  expect(at('/opt/tmp/main.js', '/etc/hopscope.yaml')).toBe('yes');
  expect(at('/tmp/hopscope/dist/cli/main.js', null)).toBe('no');
  expect(at('/opt/main.js', '/var/tmp/hopscope.yaml')).toBe('no');
});

test('no setting takes back what it needs', () => {
  // systemd.exec(5): these take capabilities, other processes, or memory to run code from.
  expect(serviceUnit({ config: null })).not.toMatch(
    /^(ProtectKernelLogs|PrivateDevices|PrivateUsers|PrivateNetwork|MemoryDenyWriteExecute|ProtectProc|ProcSubset|DynamicUser|User)=/m,
  );
});

test('paths with characters that systemd acts on stay what they are', () => {
  const unit = serviceUnit({ config: '/a b/$x%y"z\\w', node: '/opt/n-1.0/node', main: '/m.js' });
  expect(setting(unit, 'ExecStart')).toBe(
    '/opt/n-1.0/node /m.js serve --config "/a b/$$x%%y\\"z\\\\w"',
  );
});

test('systemd finds nothing wrong with what the command prints', async () => {
  const config = join(folder, 'hopscope.yaml');
  writeFileSync(config, 'port: 7677\n');
  const { status, out, err } = await hopscope('config', '--systemd', '--config', config);
  expect([status, err]).toEqual([0, '']);
  expect(setting(out, 'ExecStart')).toBe(`${process.execPath} ${MAIN} serve --config ${config}`);
  const file = join(folder, 'hopscope.service');
  writeFileSync(file, out);
  execFileSync('systemd-analyze', ['--version'], { stdio: 'ignore' });
  const verified = await run('systemd-analyze', ['verify', '--man=no', file]);
  expect([verified.status, verified.err]).toEqual([0, '']);
}, 30_000);

test('a unit for a file with mistakes is not made', async () => {
  const config = join(folder, 'wrong.yaml');
  writeFileSync(config, 'prot: 7677\n');
  const { status, out, err } = await hopscope('config', '--systemd', '--config', config);
  expect([status, out]).toEqual([2, '']);
  expect(err).toContain('[CONFIG_UNKNOWN_KEY]');
}, 30_000);
