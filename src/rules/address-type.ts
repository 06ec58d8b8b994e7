import { type Address, isWithin } from './address.js';
import type { Truth } from './model.js';
import type { LocalRange, Surroundings } from './packet.js';

const MULTICAST4 = 0xe0000000;
const MULTICAST6 = 0xffn;

/**
 * Whether an address is of one of these types (RTN_* of include/uapi/linux/rtnetlink.h, in lower case).
 *
 * @param device the only one whose addresses count; undefined for all
 */
export function isOfType(
  address: Address,
  types: readonly string[],
  { local, broadcast }: Surroundings,
  device?: string | null,
): Truth {
  if (local === null || device === null) return null;
  const own = (range: LocalRange): boolean => device === undefined || range.device === device;
  return types.includes(typeOf(address, local.filter(own), broadcast.filter(own)));
}

function typeOf(
  address: Address,
  local: NonNullable<Surroundings['local']>,
  broadcast: Surroundings['broadcast'],
): string {
  if (local.some((range) => isWithin(address, range))) return 'local';
  if (typeof address === 'number') {
    if (address === 0xffffffff || address < 0x1000000) return 'broadcast';
    if (broadcast.some((range) => isWithin(address, range))) return 'broadcast';
    return address >= MULTICAST4 && address < 0xf0000000 ? 'multicast' : 'unicast';
  }
  return address >> 120n === MULTICAST6 ? 'multicast' : 'unicast';
}
