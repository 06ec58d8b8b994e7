import { type Device, deviceKey, type Machine } from '../../network/machine.js';
import { setMtu } from '../command-text.js';
import type { AuditInput } from '../input.js';
import { deviceText, type Finding, faultDevice } from './finding.js';
import { incomingBy, isCarrying, largestSent } from './largest-sent.js';

interface Port {
  readonly device: Device;
  /** Bytes of the largest packet that comes in by it; null where nothing does. */
  readonly incoming: number | null;
}

/** A bridge passes a frame to a port that is too small for it: it is dropped, and the sender is not notified. */
export function findBridgePortDiffers({ machine }: AuditInput): Finding[] {
  return [...machine.devices()]
    .filter(({ link }) => link.kind === 'bridge' && link.isUp)
    .flatMap((bridge) => judgeBridge(machine, bridge));
}

function judgeBridge(machine: Machine, bridge: Device): Finding[] {
  const { namespace } = bridge;
  const ports = namespace
    .ports(bridge.link.ifindex)
    .filter(isCarrying)
    .map((link): Port => {
      const device = { namespace, link };
      return { device, incoming: incomingBy(machine, device) };
    });
  const own = largestSent(machine, bridge);
  const fitting = commonMtu(ports);
  const findings = new Map<string, Finding>();
  for (const narrow of ports) {
    const { mtu } = narrow.device.link;
    for (const wide of [...ports, { device: bridge, incoming: own }]) {
      if (wide.device === narrow.device || (wide.incoming ?? 0) <= mtu) continue;
      // Of the two the one that is not as the others are.
      const isNarrowOdd = mtu !== fitting || wide.device === bridge;
      const [odd, other] = isNarrowOdd ? [narrow, wide] : [wide, narrow];
      const key = deviceKey(odd.device);
      if (findings.has(key)) continue;
      findings.set(key, {
        id: 'bridge-port-differs',
        severity: 'error',
        ...faultDevice(odd.device),
        peer: faultDevice(bridge),
        found: { mtu: odd.device.link.mtu },
        expected: { mtu: other.device.link.mtu },
        because:
          `packets of up to ${wide.incoming} from ${deviceText(wide.device)} are bridged to ` +
          `${deviceText(narrow.device)}, which has room for ${mtu} and drops the others`,
        evidence: ['device'],
        remedy: setMtu(namespace, odd.device.link.name, other.device.link.mtu),
      });
    }
  }
  return [...findings.values()];
}

/** A tunnel cannot be widened: where one is a port, its MTU counts. Else that of most ports. */
function commonMtu(ports: readonly Port[]): number {
  const tunnels = ports.filter(({ device }) => device.link.tunnel !== null);
  if (tunnels.length > 0) return Math.min(...tunnels.map(({ device }) => device.link.mtu));
  const counts = new Map<number, number>();
  for (const { device } of ports) {
    counts.set(device.link.mtu, (counts.get(device.link.mtu) ?? 0) + 1);
  }
  const [most] = [...counts].sort(([a, m], [b, n]) => n - m || b - a);
  return most?.[0] ?? 0;
}
