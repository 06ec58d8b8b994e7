/** IP addresses as attributes of netlink(7) have them. */
import { addressFromBytes, type Family, type IpAddress } from './ip-address.js';
import { type Attributes, bytesOf } from './netlink-message.js';

/** AF_INET and AF_INET6. */
export const FAMILY_OF: Readonly<Record<number, Family>> = { 2: 4, 10: 6 };

/** Null where the attribute is not there, or is no address. */
export function addressAt(attributes: Attributes, type: number): IpAddress | null {
  const value = attributes.get(type);
  return value === undefined ? null : addressFromBytes(bytesOf(value));
}
