/** Datagrams to unix sockets: Node has streams alone. */
import { addon } from './addon.js';
import { checkBytes, checkString } from './argument.js';
import { checkDescriptors } from './descriptors.js';

/**
 * Sends one datagram to a unix socket, from a socket without a name, and waits for nobody.
 *
 * @param address the path of the socket, or `@` and an abstract name (unix(7)), at most 108
 *   bytes, and 107 for a path
 * @param descriptors copies of these go with it (SCM_RIGHTS), at most 253; they stay open here
 * @throws BpfError `BPF_BAD_ARGUMENT`; `ENAMETOOLONG`; `ENOENT`, `ECONNREFUSED` where nobody
 *   receives; `EAGAIN` while the receiver's queue is full; `EMSGSIZE`; `EBADF`; …
 */
export function sendUnixDatagram(
  address: string,
  data: Uint8Array,
  descriptors: readonly number[] = [],
): void {
  addon.sendUnixDatagram(
    checkString('sendUnixDatagram', 'address', address),
    checkBytes('sendUnixDatagram', 'data', data),
    checkDescriptors('sendUnixDatagram', descriptors, 0),
  );
}
