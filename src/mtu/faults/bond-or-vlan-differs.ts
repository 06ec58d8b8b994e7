import type { Device, Machine } from '../../network/machine.js';
import { setMtu } from '../command-text.js';
import type { AuditInput } from '../input.js';
import { deviceText, type Finding, faultDevice } from './finding.js';

const BONDS = new Set(['bond', 'team']);
/** VLAN_HLEN. */
const TAG_BYTES = 4;
/** A veth takes one tag in the frame (is_skb_forwardable) and one beside it (its offload). */
const FREE_TAGS = 2;

/** A device that sends by another one, which has less room. */
export function findBondOrVlanDiffers({ machine }: AuditInput): Finding[] {
  return [...machine.devices()].flatMap((device) => {
    if (!device.link.isUp) return [];
    if (BONDS.has(device.link.kind ?? '')) return judgeBond(device);
    return [...judgeStacked(machine, device), ...judgeTags(machine, device)];
  });
}

function judgeBond(bond: Device): Finding[] {
  const { namespace, link } = bond;
  return namespace
    .ports(link.ifindex)
    .filter(({ isUp, mtu }) => isUp && mtu < link.mtu)
    .map((port) =>
      differs(
        { namespace, link: port },
        bond,
        link.mtu,
        `${deviceText(bond)} sends packets of up to ${link.mtu} by its port ${port.name}, ` +
          `which has room for ${port.mtu}`,
      ),
    );
}

/** Neither a VLAN nor a macvlan or ipvlan has more room than the device below it. */
function judgeStacked(machine: Machine, device: Device): Finding[] {
  const below = device.link.kind === 'veth' ? null : machine.other(device);
  if (below === null || !below.link.isUp || device.link.mtu <= below.link.mtu) return [];
  const because =
    `${deviceText(device)} sends packets of up to ${device.link.mtu} by ` +
    `${deviceText(below)}, which has room for ${below.link.mtu}`;
  return [differs(device, below, below.link.mtu, because)];
}

/** Tags that are stacked on a veth, of which some have no room above its MTU. */
function judgeTags(machine: Machine, device: Device): Finding[] {
  let tags = 0;
  let below: Device | null = device;
  while (below?.link.kind === 'vlan' && tags < 8) {
    tags += 1;
    below = machine.other(below);
  }
  if (tags <= FREE_TAGS || below?.link.kind !== 'veth') return [];
  const room = below.link.mtu - (tags - FREE_TAGS) * TAG_BYTES;
  if (device.link.mtu <= room) return [];
  const because =
    `${tags} VLAN tags make ${tags * TAG_BYTES} bytes, and ${deviceText(below)} ` +
    `takes ${FREE_TAGS * TAG_BYTES} above its MTU of ${below.link.mtu}`;
  return [differs(device, below, room, because)];
}

function differs(device: Device, peer: Device, mtu: number, because: string): Finding {
  return {
    id: 'bond-or-vlan-differs',
    severity: 'error',
    ...faultDevice(device),
    peer: faultDevice(peer),
    found: { mtu: device.link.mtu },
    expected: { mtu },
    because,
    evidence: ['device'],
    remedy: setMtu(device.namespace, device.link.name, mtu),
  };
}
