import type { CachedRoute } from '../../network/description.js';
import { addressText } from '../../network/ip-address.js';
import type { Machine, Namespace } from '../../network/machine.js';
import { ipCommand } from '../command-text.js';
import type { AuditInput } from '../input.js';
import { narrowestOf } from '../step.js';
import { traceWay } from '../trace.js';
import { deviceText, type Finding } from './finding.js';

/**
 * What every link has room for that carries IPv6 (RFC 8200, 5). Where the way leaves the machine,
 * a smaller MTU than the devices' is believed down to here.
 */
const LEAST_PLAUSIBLE = 1_280;

/** A path MTU was learned that is below what the devices of the way have room for. */
export function findPmtuCachePoisoned({ machine }: AuditInput): Finding[] {
  return machine.namespaces.flatMap((namespace) =>
    namespace.description.cached.flatMap((cached) => judge(machine, namespace, cached)),
  );
}

function judge(machine: Machine, namespace: Namespace, cached: CachedRoute): Finding[] {
  const { dst, mtu, isMtuLocked, expiresIn } = cached;
  if (mtu === null) return [];
  const { steps, end } = traceWay(machine, {
    ...{ namespace, dst, src: null, mark: 0, incoming: 'lo', outgoing: cached.ifindex },
  });
  const [first] = steps;
  const narrowest = narrowestOf(steps);
  if (first === undefined || narrowest === null) return [];
  const isWholeWaySeen = end === 'delivered';
  const believed = isWholeWaySeen ? narrowest.room : Math.min(narrowest.room, LEAST_PLAUSIBLE);
  if (mtu >= believed) return [];
  const to = addressText(dst);
  return [
    {
      id: 'pmtu-cache-poisoned',
      severity: 'warning',
      netns: namespace.name,
      dev: first.device.link.name,
      peer: { netns: narrowest.device.namespace.name, dev: narrowest.device.link.name },
      found: { mtu, lock: isMtuLocked, expiresIn },
      expected: { mtu: narrowest.room },
      because:
        `an ICMP error gave ${mtu} for ${to}` +
        (expiresIn === null ? '' : `, for ${expiresIn} s more`) +
        `; ${isWholeWaySeen ? 'no device of the way' : 'of those seen none'} has room for less ` +
        `than ${narrowest.room} (${deviceText(narrowest.device)})`,
      evidence: ['route', 'device'],
      remedy: ipCommand(
        namespace,
        ...(dst.family === 6 ? ['-6'] : []),
        ...['route', 'flush', 'cache'],
      ),
    },
  ];
}
