import { type Device, isSameDevice, type Machine } from '../../network/machine.js';
import { setMtu } from '../command-text.js';
import type { AuditInput } from '../input.js';
import { deviceText, type Finding, faultDevice } from './finding.js';
import { largestSent } from './largest-sent.js';

/** One end of a pair sends packets that the other end does not take: it drops them in silence. */
export function findVethEndsDiffer({ machine }: AuditInput): Finding[] {
  const findings: Finding[] = [];
  for (const device of machine.devices()) {
    const other = device.link.kind === 'veth' ? machine.other(device) : null;
    if (other === null || !isPair(machine, device, other)) continue;
    if (!device.link.isUp || !other.link.isUp || device.link.mtu >= other.link.mtu) continue;
    const sent = largestSent(machine, other);
    if (sent === null || sent <= device.link.mtu) continue;
    findings.push({
      id: 'veth-ends-differ',
      severity: 'error',
      ...faultDevice(device),
      peer: faultDevice(other),
      found: { mtu: device.link.mtu },
      expected: { mtu: other.link.mtu },
      because:
        `${deviceText(other)} sends packets of up to ${sent}, and ${deviceText(device)} ` +
        `drops those above ${device.link.mtu} without an ICMP error`,
      evidence: ['device'],
      remedy: setMtu(device.namespace, device.link.name, other.link.mtu),
    });
  }
  return findings;
}

function isPair(machine: Machine, device: Device, other: Device): boolean {
  const back = machine.other(other);
  return back !== null && isSameDevice(back, device);
}
