import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { servicesFromNftables } from '../../src/name/kube-nftables.js';

/** What `nft list table ip kube-proxy` printed on a node of the reference cluster. */
const LISTING = readFileSync(
  new URL('rules/node111-kube-proxy.nftables.txt', import.meta.url),
  'utf8',
);

it('finds every service by its address and by its node port', () => {
  expect(servicesFromNftables(LISTING)).toEqual([
    { name: 'default/nginx-pod2', ip: '10.107.161.2', port: 8080, proto: 'tcp' },
    { name: 'default/nginx-pod3', ip: '10.107.161.3', port: 8080, proto: 'tcp' },
    { name: 'default/nginx-local', ip: '10.107.161.4', port: 8080, proto: 'tcp' },
    { name: 'default/nginx-service', ip: '10.107.161.255', port: 8080, proto: 'tcp' },
    { name: 'default/nginx-service', ip: null, port: 30080, proto: 'tcp' },
    { name: 'default/nginx-local', ip: null, port: 30081, proto: 'tcp' },
    { name: 'default/nginx-pod2', ip: null, port: 30082, proto: 'tcp' },
    { name: 'default/nginx-pod3', ip: null, port: 30083, proto: 'tcp' },
  ]);
});

it('reads IPv6 addresses, names of ports and several elements in a line', () => {
  const listing = [
    'table ip6 kube-proxy {',
    '\tmap service-ips {',
    '\t\telements = { fd00:10:96::a . udp . 53 : goto service-NWBZK7IH-kube-system/kube-dns/udp/dns, fd00::1 . tcp . 53 : goto external-ABCDEFGH-kube-system/kube-dns/tcp/dns-tcp }',
    '\t}',
    '}',
  ].join('\n');
  expect(servicesFromNftables(listing)).toEqual([
    { name: 'kube-system/kube-dns', ip: 'fd00:10:96::a', port: 53, proto: 'udp' },
    { name: 'kube-system/kube-dns', ip: 'fd00::1', port: 53, proto: 'tcp' },
  ]);
});

it('takes nothing from other maps, nor from elements that lead to no service', () => {
  const listing = [
    '\tmap no-endpoint-services {',
    '\t\telements = { 10.96.0.9 . tcp . 80 : goto service-ABCDEFGH-a/b/tcp/ }',
    '\t}',
    '\tmap service-ips {',
    '\t\telements = { 10.96.0.9 . tcp . 80 : drop }',
    '\t}',
    '\tchain service-ABCDEFGH-a/b/tcp/ {',
    '\t\t10.96.0.9 . tcp . 80 : goto service-ABCDEFGH-a/b/tcp/',
  ].join('\n');
  expect(servicesFromNftables(listing)).toEqual([]);
  expect(servicesFromNftables('')).toEqual([]);
});

it('leaves out ports that are none', () => {
  const element = (port: string): string =>
    `10.96.0.9 . tcp . ${port} : goto service-ABCDEFGH-a/b/tcp/http`;
  const nodePort = 'tcp . 65536 : goto external-ABCDEFGH-a/b/tcp/http';
  const listing = [
    '\tmap service-ips {',
    `\t\telements = { ${['65535', '65536', '18446744073709551616', '9'.repeat(400)].map(element).join(', ')} }`,
    '\t}',
    '\tmap service-nodeports {',
    `\t\telements = { ${nodePort} }`,
    '\t}',
  ].join('\n');
  expect(servicesFromNftables(listing).map(({ port }) => port)).toEqual([65_535]);
});

it('leaves out addresses that are none', () => {
  const elements = ['10.96.0', '::::', 'fd00::1'].map(
    (ip) => `${ip} . tcp . 80 : goto service-ABCDEFGH-a/b/tcp/http`,
  );
  const listing = `\tmap service-ips {\n\t\telements = { ${elements.join(', ')} }\n\t}`;
  expect(servicesFromNftables(listing).map(({ ip }) => ip)).toEqual(['fd00::1']);
});
