import { type BaseChain, chainsFromLegacy } from '../../../src/name/base-chains.js';
import { type CatalogService, EMPTY_CATALOG, parseCatalog } from '../../../src/name/catalog.js';
import { servicesFromNftables } from '../../../src/name/kube-nftables.js';
import { servicesFromRules } from '../../../src/name/kube-rules.js';
import type { Random } from '../random.js';
import type { Era, Target } from '../target.js';

/** What the kernel's and the tools' listings of rules say, whatever they say. */
export const RULES_TARGET: Target = {
  name: 'rules',
  kind: 'text',
  longest: 128 << 10,
  words: [
    ...['-A KUBE-SERVICES ', '-A KUBE-NODEPORTS ', ' -d ', ' -p ', 'tcp', 'udp', 'sctp', ' ! '],
    ...[
      '--dport ',
      '--comment ',
      '"default/nginx:http cluster IP"',
      'default/nginx',
      '/32',
      '/128',
    ],
    ...['map service-ips {', 'map service-nodeports {', ' . ', ' : goto ', 'service-ABCDEFGH-a/b/'],
    ...['external-ABCDEFGH-a/b/tcp/', '10.96.0.1', 'fd00::1', '}', 'elements = {'],
    ...[
      '"chain"',
      '"hook"',
      '"prio"',
      '"table"',
      '"family"',
      '"ip"',
      '"ip6"',
      '"inet"',
      '"bridge"',
    ],
    ...['raw', 'mangle', 'nat', 'filter', 'security', '"nftables"', '__proto__', '-150', '1e99'],
  ],
  era: null,
  lanes: 1,
  leastGood: 0.08,
  begin: () => new RulesEra(),
};

class RulesEra implements Era {
  good = 0;

  check(input: Uint8Array, _random: Random): void {
    const text = Buffer.from(input).toString();
    const services: CatalogService[] = [...servicesFromRules(text), ...servicesFromNftables(text)];
    const chains: BaseChain[] = [
      ...chainsFromLegacy(text, 'ipv4'),
      ...chainsFromLegacy(text, 'ipv6'),
    ];
    for (const { ip, port, proto } of services) {
      if (ip !== null && !/^[0-9a-f.:]{2,45}$/u.test(ip)) throw new Error(`address '${ip}'`);
      if (!(Number.isInteger(port) && port >= 0 && port <= 0xffff)) throw new Error(`port ${port}`);
      if (!/^\w+$/u.test(proto)) throw new Error(`protocol '${proto}'`);
    }
    // A recording keeps them, and has to take them back.
    const catalog = {
      ...EMPTY_CATALOG,
      services,
      chains: chains.map((chain) => ({ netns: 1, ...chain })),
    };
    const written = JSON.stringify(catalog);
    if (JSON.stringify(parseCatalog(JSON.parse(written))) !== written) {
      // The order of keys is parseCatalog's own.
      const again = parseCatalog(JSON.parse(written));
      if (again.services.length !== services.length || again.chains.length !== chains.length) {
        throw new Error('a recording would not keep it');
      }
    }
    if (services.length + chains.length > 0) this.good += 1;
  }
}
