/** Descriptors that pass from one process to another (unix(7), SCM_RIGHTS). */
import { addon } from './addon.js';
import { checkInteger } from './argument.js';
import { badArgument } from './error.js';

/** SCM_MAX_FD of include/net/scm.h. */
export const DESCRIPTORS_MAX = 253;

const MOST = 2 ** 31 - 1;

/**
 * Two connected unix sockets (`SOCK_SEQPACKET`), each closed by exec: give one to a child process
 * as one of its `stdio`, and close it here.
 *
 * @throws BpfError `EMFILE`, …
 */
export function socketPair(): readonly [number, number] {
  return addon.socketPair();
}

/**
 * Sends descriptors, 1 to 253 in one message, and waits for nobody; they stay open here.
 *
 * @throws BpfError `BPF_BAD_ARGUMENT`; `EBADF`; `EPIPE` when the other end is closed; `EAGAIN`
 *   while it has too many messages to take
 */
export function sendDescriptors(socket: number, descriptors: readonly number[]): void {
  const operation = 'sendDescriptors';
  const checked = checkDescriptors(operation, descriptors, 1);
  addon.sendDescriptors(checkInteger(operation, 'socket', socket, 0, MOST), checked);
}

/** @internal `least` to 253 descriptors. */
export function checkDescriptors(
  operation: string,
  descriptors: readonly number[],
  least: number,
): Int32Array {
  if (!Array.isArray(descriptors)) throw badArgument(operation, 'descriptors must be an array');
  checkInteger(operation, 'the number of descriptors', descriptors.length, least, DESCRIPTORS_MAX);
  return Int32Array.from(
    descriptors.map((each: unknown) => checkInteger(operation, 'a descriptor', each, 0, MOST)),
  );
}

/**
 * The descriptors of the oldest message that was not taken yet; they are this process's to close.
 *
 * @throws BpfError `BPF_BAD_ARGUMENT`; `EAGAIN` when there is no message; `ECONNRESET` when there
 *   will be none
 */
export function receiveDescriptors(socket: number): number[] {
  return addon.receiveDescriptors(checkInteger('receiveDescriptors', 'socket', socket, 0, MOST));
}
