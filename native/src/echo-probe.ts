/** ICMP echoes with DF set, from another network namespace. */
import { isIP } from 'node:net';
import { addon } from './addon.js';
import { checkInteger, checkString } from './argument.js';
import { badArgument, errnoName } from './error.js';

/** Bytes of an IP packet, at most. */
export const PROBE_SIZE_MAX = 65_535;
export const PROBE_WAIT_MAX_MS = 60_000;

export interface EchoProbe {
  /** An address of the namespace. */
  readonly source: string;
  /** Of the same IP version. */
  readonly destination: string;
  /** Bytes of the IP packet: 28 or more, 48 or more of IPv6. */
  readonly size: number;
  /** Identifier and sequence number of the echo, 16 bits each. */
  readonly id: number;
  readonly sequence: number;
  readonly waitMs: number;
}

/**
 * `answered`: the echo reply came. `refused`: this host did not send it, or an ICMP error came.
 * `silent`: neither, within the time.
 */
export interface EchoResult {
  readonly outcome: 'answered' | 'refused' | 'silent';
  /** Name of the errno: `EMSGSIZE` where it is too large, `EHOSTUNREACH`, …; null without an error. */
  readonly error: string | null;
  /** Whether the sending host itself refused it, before it was sent. */
  readonly isLocal: boolean;
  /** What fits, as the error says; null where it says nothing. */
  readonly mtu: number | null;
  /** Who sent the ICMP error. */
  readonly from: string | null;
}

const OUTCOMES = ['silent', 'answered', 'refused'] as const;

/**
 * Sends one ICMP echo that may not be cut (DF, `IP_PMTUDISC_PROBE`: what path MTU discovery learned
 * is ignored) from the namespace that `path` is of, and waits for what comes back, on a thread of
 * libuv's pool.
 *
 * @throws BpfError (as rejection) `EPERM` without CAP_NET_RAW and CAP_SYS_ADMIN, `ENOENT` where
 *   there is no such namespace, `EADDRNOTAVAIL` where the source is no address of it,
 *   `ENETUNREACH`, `EHOSTUNREACH` without a route; `BPF_BAD_ARGUMENT` at once
 */
export function sendEchoProbe(path: string, probe: EchoProbe): Promise<EchoResult> {
  const operation = 'sendEchoProbe';
  const { source, destination } = probe;
  const family = isIP(checkString(operation, 'destination', destination));
  if (family === 0 || isIP(checkString(operation, 'source', source)) !== family) {
    throw badArgument(operation, 'source and destination must be addresses of one IP version');
  }
  return addon
    .sendEchoProbe(
      checkString(operation, 'path', path),
      source,
      destination,
      checkInteger(operation, 'size', probe.size, family === 4 ? 28 : 48, PROBE_SIZE_MAX),
      checkInteger(operation, 'id', probe.id, 0, 0xffff),
      checkInteger(operation, 'sequence', probe.sequence, 0, 0xffff),
      checkInteger(operation, 'waitMs', probe.waitMs, 0, PROBE_WAIT_MAX_MS),
    )
    .then(([outcome, errno, isLocal, mtu, from]) => ({
      outcome: OUTCOMES[outcome] ?? 'silent',
      error: errno === 0 ? null : errnoName(errno),
      isLocal,
      mtu: mtu === 0 ? null : mtu,
      from: from === '' ? null : from,
    }));
}
