import type { Route } from '../../network/description.js';
import { addressText, type Family, prefixText } from '../../network/ip-address.js';
import { type Device, deviceKey } from '../../network/machine.js';
import { isForwarding, MAIN_TABLE } from '../../network/route.js';
import { ipCommand } from '../command-text.js';
import type { AuditInput } from '../input.js';
import { deviceText, type Finding, faultDevice } from './finding.js';

/** Headers of IP and TCP without options, which an MSS leaves room for. */
export const TCP_HEADERS: Readonly<Record<Family, number>> = { 4: 40, 6: 60 };

/** A route that promises more than its device, or more than its way, has room for. */
export function findRouteMtuDisagrees({ machine, ways }: AuditInput): Finding[] {
  const findings: Finding[] = [];
  for (const namespace of machine.namespaces) {
    for (const route of namespace.description.routes) {
      if (!isForwarding(route)) continue;
      for (const { ifindex } of route.hops) {
        const link = namespace.link(ifindex);
        if (link?.isUp) findings.push(...judgeRoute({ namespace, link }, route));
      }
    }
  }
  const seen = new Set<string>();
  for (const { pod, trace, mtu, setBy } of ways) {
    const { device } = pod;
    const own = trace.steps.find(({ kind }) => kind === 'route');
    if (own === undefined || own.device.namespace !== device.namespace) continue;
    const locked = lockedRoute(device, own.room);
    const key = deviceKey(device);
    if (locked === null || own.room <= mtu || seen.has(key)) continue;
    seen.add(key);
    findings.push({
      ...finding(device),
      severity: 'warning',
      peer: faultDevice(setBy.device),
      found: { mtu: own.room, lock: true },
      expected: { mtu },
      because:
        `the locked MTU of the route ${prefixText(locked.dst)} turns path MTU discovery off, ` +
        `and ${deviceText(setBy.device)} has room for ${mtu}: packets are fragmented there`,
      remedy: change(device, locked, 'mtu', `${mtu}`),
    });
  }
  return findings;
}

function judgeRoute(device: Device, route: Route): Finding[] {
  const { link } = device;
  const findings: Finding[] = [];
  if (route.mtu !== null && route.mtu > link.mtu) {
    findings.push({
      ...finding(device),
      found: { mtu: route.mtu },
      expected: { mtu: link.mtu },
      because:
        `the route ${prefixText(route.dst)} lets packets of up to ${route.mtu} go to ` +
        `${link.name}, which has room for ${link.mtu}`,
      remedy: change(device, route, 'mtu', `${link.mtu}`),
    });
  }
  const mtu = Math.min(route.mtu ?? link.mtu, link.mtu);
  const fitting = mtu - TCP_HEADERS[route.dst.family];
  if (route.advmss !== null && route.advmss > fitting) {
    findings.push({
      ...finding(device),
      found: { advmss: route.advmss },
      expected: { advmss: fitting },
      because:
        `the route ${prefixText(route.dst)} has TCP ask for segments of ${route.advmss}, and ` +
        `${link.name} has room for ${fitting}`,
      remedy: change(device, route, 'advmss', `${fitting}`),
    });
  }
  return findings;
}

function finding(device: Device) {
  return {
    id: 'route-mtu-disagrees',
    severity: 'error',
    ...faultDevice(device),
    peer: null,
    evidence: ['route', 'device'],
  } as const;
}

function lockedRoute({ namespace, link }: Device, mtu: number): Route | null {
  return (
    namespace.description.routes.find(
      (route) =>
        route.isMtuLocked &&
        route.mtu === mtu &&
        route.hops.some(({ ifindex }) => ifindex === link.ifindex),
    ) ?? null
  );
}

function change(device: Device, route: Route, metric: string, value: string): string {
  const { namespace, link } = device;
  const via = route.hops.find(({ ifindex }) => ifindex === link.ifindex)?.via;
  return ipCommand(
    namespace,
    ...(route.dst.family === 6 ? ['-6'] : []),
    ...['route', 'change', prefixText(route.dst)],
    ...(via === null || via === undefined ? [] : ['via', addressText(via)]),
    ...['dev', link.name],
    ...(route.table === MAIN_TABLE ? [] : ['table', `${route.table}`]),
    ...[metric, value],
  );
}
