/** What a network namespace says of itself, by netlink and by its files. */
import { addon } from './addon.js';
import { checkBytes, checkInteger, checkString } from './argument.js';
import { badArgument, errnoName } from './error.js';

/** Requests, files or namespaces that one call takes. */
export const QUERY_PARTS_MAX = 1_024;
/** Bytes of answers that one call takes. */
export const QUERY_BYTES_MAX = 256 << 20;

/** One message of a netlink(7) protocol; the header is made of it. */
export interface NetlinkRequest {
  /** `NETLINK_ROUTE` and the like. */
  readonly protocol: number;
  readonly type: number;
  /** `NLM_F_DUMP` and the like; `NLM_F_REQUEST` is added. */
  readonly flags: number;
  readonly body: Uint8Array;
}

export interface NetlinkAnswer {
  /** Name of the errno it ended with, such as `EMSGSIZE` past the limit; null where it is whole. */
  readonly code: string | null;
  /** Whether what was dumped changed meanwhile (`NLM_F_DUMP_INTR`). */
  readonly interrupted: boolean;
  /** Whole messages with their headers, each aligned to 4 bytes; without the last, which says the end. */
  readonly data: Uint8Array;
}

export interface NetnsFile {
  /** Name of the errno; null where it was read. */
  readonly code: string | null;
  /** At most 64 KiB of it. */
  readonly data: Uint8Array;
}

export interface NetnsAnswers {
  readonly answers: readonly NetlinkAnswer[];
  readonly files: readonly NetnsFile[];
}

/**
 * Sends netlink requests and reads files in the namespace that `path` is of, one after the other,
 * on a thread of libuv's pool, which is back in its own namespace afterwards. Files that differ by
 * namespace are those below `/proc/sys/net` and `/proc/thread-self/net`.
 *
 * @param limit bytes of all answers together
 * @throws BpfError (as rejection) `ENOENT`, `EPERM` without CAP_SYS_ADMIN, `EINVAL` when it is no
 *   namespace; `BPF_BAD_ARGUMENT` at once. What one request or file meets is in its `code`.
 */
export function queryNetns(
  path: string,
  requests: readonly NetlinkRequest[],
  files: readonly string[] = [],
  limit: number = QUERY_BYTES_MAX,
): Promise<NetnsAnswers> {
  const operation = 'queryNetns';
  checkString(operation, 'path', path);
  checkInteger(operation, 'limit', limit, 0, QUERY_BYTES_MAX);
  const parts = checkList(operation, 'requests', requests).map((request) => {
    const { protocol, type, flags, body } = request ?? {};
    return [
      checkInteger(operation, 'protocol', protocol, 0, 255),
      checkInteger(operation, 'type', type, 0, 0xffff),
      checkInteger(operation, 'flags', flags, 0, 0xffff),
      checkBytes(operation, 'body', body),
    ] as const;
  });
  const names = checkList(operation, 'files', files).map((file) =>
    checkString(operation, 'file', file),
  );
  return addon.queryNetns(path, parts, names, limit).then(([answers, read]) => ({
    answers: answers.map(([errno, interrupted, data]) => ({
      ...{ code: errno === 0 ? null : errnoName(errno), interrupted, data },
    })),
    files: read.map(([errno, data]) => ({ code: errno === 0 ? null : errnoName(errno), data })),
  }));
}

/**
 * The numbers by which the namespace at `path` names others (`IFLA_LINK_NETNSID` and the like);
 * null for one that it has no number for, or that is not there. None is given anew.
 *
 * @throws BpfError (as rejection) as `queryNetns` does
 */
export function netnsIds(path: string, others: readonly string[]): Promise<(number | null)[]> {
  const operation = 'netnsIds';
  checkString(operation, 'path', path);
  const names = checkList(operation, 'others', others).map((other) =>
    checkString(operation, 'other', other),
  );
  return addon.netnsIds(path, names).then((ids) => ids.map((id) => (id < 0 ? null : id)));
}

function checkList<T>(operation: string, what: string, value: readonly T[]): readonly T[] {
  if (!Array.isArray(value)) throw badArgument(operation, `${what} must be a list`);
  if (value.length > QUERY_PARTS_MAX) {
    throw badArgument(operation, `${what} has more than ${QUERY_PARTS_MAX} entries`);
  }
  return value;
}
