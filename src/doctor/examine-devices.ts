import { access } from 'node:fs/promises';
import { release } from 'node:os';
import { type Attempt, attemptInScratch, couldNotTry } from './attempt.js';
import {
  absent,
  available,
  type Finding,
  type FindingSubject,
  finding,
  type Observation,
  unknown,
} from './diagnosis.js';
import { type ModuleLists, moduleState, readModuleLists } from './kernel-module.js';

type DeviceSubject = FindingSubject & {
  readonly module: string;
  /** How to make one in a scratch namespace. */
  readonly make: readonly [string, ...string[]];
};

function linkKind(
  module: string,
  title: string,
  consequence: string,
  ...options: readonly string[]
): DeviceSubject {
  return {
    id: `device-${module}`,
    area: 'devices',
    title,
    need: 'optional',
    module,
    make: ['ip', 'link', 'add', 'probe0', 'type', module, ...options],
    consequence,
    remedy: `a kernel with the ${module} module`,
  };
}

const DEVICES: readonly DeviceSubject[] = [
  linkKind('veth', 'veth pairs', 'the lab cannot be built'),
  linkKind('bridge', 'bridges', 'the lab cannot be built'),
  linkKind(
    'ipip',
    'IPIP tunnels',
    'no `lab up --encap ipip`',
    'local',
    '127.0.0.1',
    'remote',
    '127.0.0.2',
  ),
  linkKind('vxlan', 'VXLAN tunnels', 'no `lab up --encap vxlan`', 'id', '1', 'dstport', '4789'),
  linkKind('wireguard', 'WireGuard tunnels', 'no `lab up --encap wireguard`'),
  {
    id: 'device-ip_vs',
    area: 'devices',
    title: 'IPVS',
    need: 'optional',
    module: 'ip_vs',
    make: ['test', '-e', '/proc/net/ip_vs'],
    consequence: 'no `lab up --proxy ipvs`',
    remedy: 'a kernel with the ip_vs module',
  },
  {
    id: 'device-netem',
    area: 'devices',
    title: 'netem',
    need: 'optional',
    module: 'sch_netem',
    make: ['tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms'],
    consequence: 'the lab cannot delay or lose packets on purpose',
    remedy: 'a kernel with the sch_netem module',
  },
];

export async function examineDevices(): Promise<Finding[]> {
  const lists = await readModuleLists(release());
  const modular = await access('/proc/modules').then(
    () => true,
    () => false,
  );
  return Promise.all(
    DEVICES.map(async (each) => finding(each, await observe(each, lists, modular))),
  );
}

async function observe(
  subject: DeviceSubject,
  lists: ModuleLists,
  modular: boolean,
): Promise<Observation> {
  // Trying would load it, and loading leaves traces: a tunl0 in every namespace, say.
  if (modular && (await moduleState(subject.module, lists)) === 'loadable') {
    return available('a module, loaded when first used');
  }
  const [command, ...args] = subject.make;
  return observationOf(await attemptInScratch(command, args));
}

function observationOf(result: Attempt): Observation {
  if (result.status === 0) return available();
  if (couldNotTry(result)) return unknown(result.complaint);
  return absent(result.complaint || null);
}
