import { BpfError, type NetlinkRequest, type NetnsAnswers, netnsIds, queryNetns } from 'ebpf-ts';
import { type LinkEnds, type LinksOfNamespace, wantedEnds } from '../network/link-ends.js';
import { inTurn } from './in-turn.js';

/** Times that a namespace is asked when it changes meanwhile. */
const ATTEMPTS = 3;
/** Numbers of other namespaces asked for in all; a node of 500 pods asks 1,000 times. */
export const ID_LIMIT = 20_000;
/** Of one call. */
const ID_PART = 1_024;

const NETLINK_ROUTE = 0;
/** Of include/uapi/linux/netlink.h: all there is of a type. */
export const NLM_F_DUMP = 0x300;
export const RTM = { getlink: 18, getaddr: 22, getroute: 26, getneigh: 30, getrule: 34 } as const;
export const AF = { unspec: 0, inet: 2, bridge: 7, inet6: 10 } as const;
/** Lengths of the header that each request has: ifinfomsg, ifaddrmsg, rtmsg, ndmsg, fib_rule_hdr. */
const HEADER: Readonly<Record<number, number>> = { 18: 16, 22: 8, 26: 12, 30: 12, 34: 12 };

/** A request for all of a type, and what it is in words. */
export function dump(what: string, type: number, family: number, flags = 0) {
  const body = new Uint8Array(HEADER[type] ?? 0);
  body[0] = family;
  // rtm_flags: with RTM_F_CLONED what was learned, without it what is configured.
  if (flags !== 0) new DataView(body.buffer).setUint32(8, flags, true);
  return { what, request: { protocol: NETLINK_ROUTE, type, flags: NLM_F_DUMP, body } };
}

export interface LinksWithPath extends LinksOfNamespace {
  /** A path that setns(2) takes. */
  readonly path: string;
}

export interface EndsProblem {
  readonly netns: number;
  readonly message: string;
}

/**
 * Asks a namespace, and again where something changed meanwhile: what was read then may be half of each.
 *
 * @param limit bytes of all answers
 */
export async function askNamespace(
  path: string,
  requests: readonly NetlinkRequest[],
  files: readonly string[],
  limit: number,
): Promise<NetnsAnswers> {
  for (let attempt = 1; ; attempt++) {
    const said = await queryNetns(path, requests, files, limit);
    if (attempt === ATTEMPTS || !said.answers.some(({ interrupted }) => interrupted)) return said;
  }
}

/** Which namespace each number of a device's other end stands for. */
export async function findEnds(
  read: readonly LinksWithPath[],
  onProblem: (problem: EndsProblem) => void,
): Promise<LinkEnds> {
  const paths = new Map(read.map(({ netns, path }) => [netns, path]));
  const wanted = wantedEnds(read);
  const ends: Map<number, Map<number, number>> = new Map();
  let room = ID_LIMIT;
  await inTurn([...wanted], async ([netns, candidates]) => {
    const byId = new Map<number, number>();
    ends.set(netns, byId);
    const taken = candidates.slice(0, Math.max(0, room));
    room -= taken.length;
    if (taken.length < candidates.length) {
      onProblem({
        netns,
        message: `the other ends of some devices were not looked for (limit ${ID_LIMIT})`,
      });
    }
    for (let from = 0; from < taken.length; from += ID_PART) {
      const some = taken.slice(from, from + ID_PART);
      const asked = some.map((other) => paths.get(other) ?? '/nowhere');
      try {
        const ids = await netnsIds(paths.get(netns) ?? '/nowhere', asked);
        for (const [i, id] of ids.entries()) if (id !== null) byId.set(id, some[i] ?? 0);
      } catch (error) {
        // It went meanwhile: its devices have no other end any more.
        if (!(error instanceof BpfError)) throw error;
      }
    }
  });
  return ends;
}
