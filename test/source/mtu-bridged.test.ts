import { afterAll, beforeAll, expect, it } from 'vitest';
import { bridgeBatch, ipBatch, runCommand, runIn, setSysctls } from '../../src/lab/run-command.js';
import { auditNet, faultsFound, removeAuditedNet, withChange } from './audited-net.js';

/** Nodes as flannel makes them: pods on a bridge, one VXLAN for all nodes, entries for each. */
const NODES = [1, 2, 3].map((i) => ({
  ...{ netns: `hs-mtu-n${i}`, pod: `hs-mtu-q${i}`, i },
  ...{ mac: `02:00:00:00:09:0${i}`, address: `192.0.2.${i}`, address6: `2001:db8::${i}` },
}));
const WIRES = 'hs-mtu-wires';

beforeAll(async () => {
  await removeAuditedNet();
  for (const netns of [WIRES, ...NODES.flatMap(({ netns, pod }) => [netns, pod])]) {
    await runCommand('ip', ['netns', 'add', netns]);
    await setSysctls(netns, ['net/ipv4/ip_forward=1', 'net/ipv6/conf/all/forwarding=1']);
  }
  await ipBatch(WIRES, ['link add br0 type bridge', 'link set br0 up']);
  for (const { netns, pod, i, mac, address, address6 } of NODES) {
    const others = NODES.filter((other) => other.i !== i);
    await ipBatch(WIRES, [
      `link add port${i} type veth peer name up0 netns ${netns}`,
      `link set port${i} master br0 up`,
    ]);
    await ipBatch(netns, [
      `address add ${address}/24 dev up0`,
      `address add ${address6}/64 dev up0 nodad`,
      'link set up0 up',
      'route add default via 192.0.2.254',
      `link add flannel.1 address ${mac} mtu 1450 type vxlan id 1 dstport 8472 local ${address} nolearning`,
      `address add 10.42.${i}.0/32 dev flannel.1`,
      'link set flannel.1 up',
      'link add cni0 mtu 1450 type bridge',
      `address add 10.42.${i}.1/24 dev cni0`,
      `address add fd00:42:${i}::1/64 dev cni0 nodad`,
      'link set cni0 up',
      `link add veth0 mtu 1450 type veth peer name eth0 mtu 1450 netns ${pod}`,
      'link set veth0 master cni0 up',
      ...others.flatMap((other) => [
        `neigh add 10.42.${other.i}.0 lladdr ${other.mac} dev flannel.1 nud permanent`,
        `route add 10.42.${other.i}.0/24 via 10.42.${other.i}.0 dev flannel.1 onlink`,
        `route add fd00:42:${other.i}::/64 via ${other.address6} dev up0`,
      ]),
    ]);
    await bridgeBatch(
      netns,
      others.map((other) => `fdb append ${other.mac} dev flannel.1 dst ${other.address}`),
    );
    await ipBatch(pod, [
      `address add 10.42.${i}.2/24 dev eth0`,
      `address add fd00:42:${i}::2/64 dev eth0 nodad`,
      'link set eth0 up',
      `route add default via 10.42.${i}.1`,
      `route add default via fd00:42:${i}::1`,
    ]);
  }
});
afterAll(removeAuditedNet);

it('finds nothing where everything fits', async () => {
  expect(await faultsFound()).toEqual([]);
});

it('follows a pod’s packets over bridges and to the right node', async () => {
  const { ways } = await auditNet();
  const from = ways.filter(({ pod }) => pod.device.namespace.name === 'hs-mtu-q1');
  const to = from.map(({ trace, mtu, towards }) => [
    towards.family,
    trace.last.name,
    trace.end,
    mtu,
  ]);
  expect(to).toContainEqual([4, 'hs-mtu-q2', 'delivered', 1450]);
  expect(to).toContainEqual([4, 'hs-mtu-q3', 'delivered', 1450]);
  expect(to).toContainEqual([6, 'hs-mtu-q3', 'delivered', 1450]);
  const far = from.find(({ trace, towards }) => {
    return trace.last.name === 'hs-mtu-q3' && towards.family === 4;
  });
  expect(
    far?.trace.steps.map(
      ({ device, kind }) => `${device.namespace.name}/${device.link.name} ${kind}`,
    ),
  ).toEqual([
    'hs-mtu-q1/eth0 device',
    'hs-mtu-n1/veth0 peer',
    'hs-mtu-n1/flannel.1 device',
    'hs-mtu-n1/up0 device',
    'hs-mtu-wires/port1 peer',
    'hs-mtu-wires/port3 port',
    'hs-mtu-n3/up0 peer',
    'hs-mtu-n3/cni0 device',
    'hs-mtu-n3/veth0 port',
    'hs-mtu-q3/eth0 peer',
  ]);
  // The kernel agrees on the way.
  await runIn('hs-mtu-q1', 'ping', ['-c2', '-W5', '-i0.2', '-Mdo', '-s1422', '10.42.3.2']);
  await runIn('hs-mtu-q1', 'ping', ['-c2', '-W5', '-i0.2', '-Mdo', '-s1402', 'fd00:42:3::2']);
});

it('pods of 1500 on the bridge are above the tunnel over IPv4 alone', async () => {
  const change = (mtu: number) => [`link set veth0 mtu ${mtu}`];
  const { findings } = await withChange('hs-mtu-n1', change(1500), change(1450), () =>
    withChange('hs-mtu-n1', ['link set cni0 mtu 1500'], ['link set cni0 mtu 1450'], () =>
      withChange('hs-mtu-q1', ['link set eth0 mtu 1500'], ['link set eth0 mtu 1450'], auditNet),
    ),
  );
  expect(findings).toMatchObject([
    {
      ...{ id: 'pod-mtu-above-tunnel', netns: 'hs-mtu-n1', dev: 'veth0' },
      ...{ peer: { netns: 'hs-mtu-q1', dev: 'eth0' }, expected: { mtu: 1450 } },
    },
  ]);
});

it('one node of the three with another tunnel', async () => {
  const found = await withChange(
    'hs-mtu-n2',
    ['link set flannel.1 mtu 1420'],
    ['link set flannel.1 mtu 1450'],
    faultsFound,
  );
  expect(found).toEqual([
    'mtu-wasted hs-mtu-n2/flannel.1',
    // Towards either other node.
    'nodes-differ hs-mtu-n2/flannel.1',
    'nodes-differ hs-mtu-n2/flannel.1',
    'pod-mtu-above-tunnel hs-mtu-n2/veth0',
  ]);
});

it('one node on a smaller wire', async () => {
  const found = await withChange(
    'hs-mtu-n2',
    ['link set up0 mtu 1400'],
    ['link set up0 mtu 1500'],
    () => withChange(WIRES, ['link set port2 mtu 1400'], ['link set port2 mtu 1500'], faultsFound),
  );
  expect(found).toEqual([
    `bridge-port-differs ${WIRES}/port2`,
    // Of IPv4 in the tunnel, and of IPv6 beside it.
    ...['n1', 'n1', 'n3', 'n3'].map((node) => `mss-not-clamped hs-mtu-${node}/veth0`),
    'tunnel-mtu-above-underlay hs-mtu-n2/flannel.1',
  ]);
});

it('pods of one node larger than what another node passes on', async () => {
  const jumbo = (names: readonly string[], mtu: number) =>
    names.map((name) => `link set ${name} mtu ${mtu}`);
  const n1 = ['up0', 'flannel.1', 'cni0', 'veth0'];
  const back = [...jumbo(['up0'], 1500), ...jumbo(['flannel.1', 'cni0', 'veth0'], 1450)];
  const wires = ['port1', 'port3'];
  const n3 = ['up0', 'flannel.1'];
  const found = await withChange('hs-mtu-n1', jumbo(n1, 8000), back, () =>
    withChange('hs-mtu-q1', jumbo(['eth0'], 8000), jumbo(['eth0'], 1450), () =>
      withChange(WIRES, jumbo(wires, 8100), jumbo(wires, 1500), () =>
        withChange(
          'hs-mtu-n3',
          jumbo(n3, 8100),
          [...jumbo(['up0'], 1500), ...jumbo(['flannel.1'], 1450)],
          auditNet,
        ),
      ),
    ),
  );
  expect(found.findings).toContainEqual(
    expect.objectContaining({
      ...{ id: 'nodes-differ', severity: 'warning', netns: 'hs-mtu-n1', dev: 'veth0' },
      ...{
        peer: { netns: 'hs-mtu-n3', dev: 'cni0' },
        found: { mtu: 8000 },
        expected: { mtu: 1450 },
      },
    }),
  );
});

it('IPv6: rules that drop packet too big', async () => {
  const type = '-p ipv6-icmp -m icmp6 --icmpv6-type 2';
  const rule = (verb: string) =>
    runIn('hs-mtu-n1', 'sh', ['-c', `ip6tables ${verb} FORWARD ${type} -j DROP`]);
  await rule('-A');
  const { findings } = await auditNet();
  await rule('-D');
  expect(findings).toMatchObject([
    {
      ...{ id: 'icmp-dropped', severity: 'warning', netns: 'hs-mtu-n1' },
      expected: { accepted: 'ICMPv6 packet too big' },
    },
  ]);
  expect(await faultsFound()).toEqual([]);
});

it('IPv6: what packet too big taught, and why no more', async () => {
  const to = 'fd00:42:3::2';
  const route = 'route change fd00:42:3::/64 via 2001:db8::3 dev up0';
  const send = () =>
    runIn('hs-mtu-q1', 'ping', ['-c1', '-W5', '-Mdo', '-s1300', to]).catch(() => '');
  const during = await withChange('hs-mtu-n1', [`${route} mtu 1300`], [route], async () => {
    await send();
    expect(await runIn('hs-mtu-q1', 'ip', ['route', 'get', to])).toContain('mtu 1300');
    return faultsFound();
  });
  expect(during).toEqual([]);
  expect((await auditNet()).findings).toMatchObject([
    {
      ...{ id: 'pmtu-cache-poisoned', netns: 'hs-mtu-q1', dev: 'eth0' },
      ...{ found: { mtu: 1300 }, expected: { mtu: 1450 } },
      remedy: 'ip -n hs-mtu-q1 -6 route flush cache',
    },
  ]);
  await runIn('hs-mtu-q1', 'ip', ['-6', 'route', 'flush', 'cache']);
  expect(await faultsFound()).toEqual([]);
});
