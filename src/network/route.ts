/** What a route is for. */
import type { Route } from './description.js';
import { isLinkLocal, isMulticast } from './ip-address.js';

/** RT_TABLE_MAIN of include/uapi/linux/rtnetlink.h. */
export const MAIN_TABLE = 254;

/** Whether packets of other hosts may take it: neither multicast nor of the link alone. */
export function isForwarding({ type, dst, hops }: Route): boolean {
  return (
    type === 'unicast' &&
    hops.length > 0 &&
    !isMulticast(dst) &&
    !(dst.length > 0 && isLinkLocal(dst))
  );
}

/** Whether it takes what no other route does, whichever table it is in. */
export function isDefault({ type, dst }: Route): boolean {
  return type === 'unicast' && dst.length === 0;
}
