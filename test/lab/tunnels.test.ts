import { createPrivateKey, createPublicKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { nodeSetup } from '../../src/lab/network.js';
import { ENCAPS, type LabShape } from '../../src/lab/options.js';
import { NODES, podNamed } from '../../src/lab/topology.js';
import { podMtu, tunnelsOf } from '../../src/lab/tunnels.js';
import { wireguardKeys } from '../../src/lab/wireguard.js';

function shape(options: Partial<LabShape>): LabShape {
  return {
    encap: 'ipip',
    proxy: 'iptables',
    iptables: 'nft',
    crossSubnet: false,
    subnets: 1,
    podMtu: null,
    policy: false,
    dualStack: false,
    ...options,
  };
}

function setup(options: Partial<LabShape>): string[] {
  const [node] = NODES;
  if (node === undefined) throw new Error('no node');
  return nodeSetup(node, shape(options));
}

describe('podMtu', () => {
  it.each([
    ['ipip', 1480, 1480],
    ['vxlan', 1450, 1430],
    ['wireguard', 1440, 1420],
    ['none', 1500, 1500],
  ] as const)('is what %s leaves of 1500 bytes', (encap, single, dual) => {
    expect(podMtu(shape({ encap }))).toBe(single);
    expect(podMtu(shape({ encap, dualStack: true }))).toBe(dual);
    expect(podMtu(shape({ encap, podMtu: 1500 }))).toBe(1500);
  });
});

describe('nodeSetup', () => {
  it.each(ENCAPS)('names devices that fit IFNAMSIZ with %s', (encap) => {
    for (const { device } of tunnelsOf(shape({ encap, dualStack: true }))) {
      expect(device.length).toBeLessThanOrEqual(15);
    }
  });

  it('routes the other block into tunl0, its own nowhere, its pods to their devices', () => {
    const lines = setup({ encap: 'ipip' });
    expect(lines).toContain(
      'route add 10.244.146.192/26 via 192.168.100.112 dev tunl0 proto bird onlink',
    );
    expect(lines).toContain('route add blackhole 10.244.153.192/26 proto bird');
    const { hostDevice, ip } = podNamed('pod1');
    expect(lines).toContain(`route add ${ip}/32 dev ${hostDevice} scope link`);
  });

  it('routes into the tunnel with crossSubnet where the nodes have a subnet each', () => {
    const lines = setup({ encap: 'ipip', crossSubnet: true, subnets: 2, dualStack: true });
    expect(lines).toContain('addr add 192.168.100.111/31 dev ens10');
    expect(lines).toContain('route add 192.168.100.112/32 via 192.168.100.110 dev ens10');
    expect(lines).toContain(
      'route add 10.244.146.192/26 via 192.168.100.112 dev tunl0 proto bird onlink',
    );
    // Calico has no IPIP of IPv6: the router knows the pods.
    expect(lines).toContain(
      'route add fd00:10:244:92c0::/122 via fd00:192:168:100::110 dev ens10 proto bird',
    );
  });

  it.each([{ encap: 'none' }, { encap: 'ipip', crossSubnet: true }] as const)(
    'routes straight over ens10 with %j',
    (options) => {
      expect(setup(options)).toContain(
        'route add 10.244.146.192/26 via 192.168.100.112 dev ens10 proto bird',
      );
    },
  );
});

describe('wireguardKeys', () => {
  it('makes a public key that belongs to the secret one, both 32 bytes in base64', () => {
    const keys = wireguardKeys();
    const raw = Buffer.from(keys.secret, 'base64');
    expect(raw.length).toBe(32);
    // RFC 8410, section 7: the DER prefix of an X25519 private key.
    const der = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), raw]);
    const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(secret).export({ format: 'der', type: 'spki' });
    expect(spki.subarray(-32).toString('base64')).toBe(keys.public);
  });
});
