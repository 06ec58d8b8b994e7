import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { virtualServers } from '../../src/name/ipvs-servers.js';

/** /proc/net/ip_vs of a node of the reference cluster. */
const TABLE = readFileSync(new URL('rules/node111-ip-vs.txt', import.meta.url), 'utf8');

it('finds every virtual server and no real one', () => {
  const servers = virtualServers(TABLE);
  expect(servers.filter(({ port }) => port === 8080).map(({ ip }) => ip)).toEqual(
    expect.arrayContaining(['10.107.161.2', '10.107.161.3', '10.107.161.4', '10.107.161.255']),
  );
  const nodePorts = servers.filter(({ port }) => port === 30083).map(({ ip }) => ip);
  expect(nodePorts.sort()).toEqual(['10.244.153.192', '172.18.22.111', '192.168.100.111']);
  expect(servers).toHaveLength(4 + 3 * 4);
});

it('reads every protocol and IPv6, and leaves out firewall marks', () => {
  const table = [
    'UDP  0A60000A:0035 rr ',
    'SCTP [fd00:0010:0096:0000:0000:0000:0000:00ff]:1F90 rr ',
    'FWM  00000001 rr ',
  ].join('\n');
  expect(virtualServers(table)).toEqual([
    { proto: 'udp', ip: '10.96.0.10', port: 53 },
    { proto: 'sctp', ip: 'fd00:10:96::ff', port: 8080 },
  ]);
});

it('leaves out what is no address', () => {
  const table = ['TCP  [::::]:0050 rr ', 'UDP  [1]:0050 rr ', 'TCP  0A600001:0050 rr '];
  expect(virtualServers(table.join('\n'))).toEqual([{ proto: 'tcp', ip: '10.96.0.1', port: 80 }]);
});
