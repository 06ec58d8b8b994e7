import { existsSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labDown } from '../../src/lab/down.js';
import { hasHostPorts, portmapPlugin } from '../../src/lab/host-ports.js';
import { IPTABLES_BACKENDS } from '../../src/lab/options.js';
import { runIn } from '../../src/lab/run-command.js';
import { labUp } from '../../src/lab/up.js';
import { call } from './calls.js';

/** Where plugins, and what usually calls them, keep state. */
const KEPT_BY_OTHERS = ['/var/lib/cni', '/run/cni'];

function kept(): string[] {
  return KEPT_BY_OTHERS.filter(existsSync).flatMap((folder) =>
    readdirSync(folder, { recursive: true }).map((name) => `${folder}/${String(name)}`),
  );
}

it('says that it goes without host ports where the plugin is not installed', () => {
  const reported: string[] = [];
  expect(hasHostPorts({ proxy: 'iptables' }, (line) => reported.push(line), null)).toBe(false);
  expect(reported).toEqual([expect.stringContaining('containernetworking-plugins')]);
  expect(portmapPlugin(['/hopscope/no/such/folder'])).toBeNull();
});

it('has host ports in iptables mode only, and is silent about the others', () => {
  const reported: string[] = [];
  const report = (line: string): number => reported.push(line);
  expect(hasHostPorts({ proxy: 'nftables' }, report, '/usr/lib/cni/portmap')).toBe(false);
  expect(hasHostPorts({ proxy: 'iptables' }, report, '/usr/lib/cni/portmap')).toBe(true);
  expect(reported).toEqual([]);
});

describe.each(IPTABLES_BACKENDS)('host ports with iptables %s', (iptables) => {
  let before: string[] = [];
  beforeAll(async () => {
    expect(portmapPlugin(), 'Debian package containernetworking-plugins').not.toBeNull();
    before = kept();
    await labUp({ encap: 'none', iptables });
  });
  afterAll(async () => {
    await labDown();
    expect(kept()).toEqual(before);
  });

  it('lead to their pods, who see the caller', async () => {
    const near = await call('client', 'http://172.18.22.111:8088/');
    expect(near).toMatchObject({ pod: 'pod2', peer: { address: '172.20.151.77' } });
    const far = await call('client', 'http://172.18.22.112:8089/');
    expect(far).toMatchObject({ pod: 'pod3', peer: { address: '172.20.151.77' } });
  });

  it('are of their own node alone', async () => {
    await expect(call('client', 'http://172.18.22.112:8088/')).rejects.toThrow('ECONNREFUSED');
  });

  it('have their rules where those of the proxy are', async () => {
    const rules = await runIn('node111', `iptables-${iptables}-save`, ['-t', 'nat']);
    expect(rules).toContain('KUBE-SERVICES');
    expect(rules).toMatch(/-A CNI-HOSTPORT-DNAT .*--dports 8088 -j CNI-DN-[0-9a-f]+/);
    const other = iptables === 'nft' ? 'legacy' : 'nft';
    expect(await runIn('node111', `iptables-${other}-save`, ['-t', 'nat'])).not.toContain('CNI');
  });
});
