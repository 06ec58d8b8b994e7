/**
 * One frame for every scene in which something calls a pod over TCP by another address
 * than the pod's: of a service, a node port or a host port.
 */

import type { FlowRecord, Hook, PathRecord } from 'hopscope-protocol';
import { expect } from 'vitest';
import { HTTP_PORT, type PodName } from '../../src/lab/topology.js';
import { ADDRESS } from './cluster.js';
import { conntrackOf } from './conntrack.js';
import { inDirection, judgePaths, namesAt, route } from './judge.js';
import { judgeFlow } from './judge-flow.js';
import { judgeServiceRules } from './judge-rules.js';
import type { Caller, RoundTrip } from './round-trip.js';
import { observe, type Scene } from './scene.js';
import { http } from './traffic.js';
import { tuplesAt } from './translation.js';

/** Longer than an emulated machine takes for an answer. */
const ANSWER_LIMIT_SECONDS = 20;

export interface ServiceCall {
  readonly caller: Caller;
  /** Of the caller, where it is not the one of ADDRESS. */
  readonly address?: string;
  readonly sourcePort: number;
  readonly to: { readonly address: string; readonly port: number };
  /** `default/nginx-pod2`; left out for what is no service. */
  readonly service?: string;
  readonly pod: PodName;
  /** Of the pod, where it is not the one of ADDRESS. */
  readonly endpoint?: string;
  /** Whether ip_vs puts the pod's address in, between INPUT and OUTPUT, and not nat. */
  readonly balanced?: boolean;
  /** The address node111 calls the pod from, when it hides the caller's own. */
  readonly masquerade?: string;
  readonly ways: RoundTrip;
}

/** What was judged, for what else there is to say of it. */
export interface JudgedCall {
  readonly scene: Scene;
  readonly flow: FlowRecord;
  readonly there: readonly PathRecord[];
  readonly back: readonly PathRecord[];
  /** Ends of the connection, `address:port`: as the caller has it and as the pod has it. */
  readonly names: Names;
}

interface Names {
  readonly caller: string;
  readonly to: string;
  /** The caller as the pod sees it. */
  readonly seen: string;
  readonly endpoint: string;
}

/**
 * Makes the call and holds all that is said of it against tcpdump, conntrack and what the
 * pod answered: the paths and their ways, the one flow, and the addresses on each device
 * and around the hooks that translate.
 */
export async function judgeServiceCall(call: ServiceCall): Promise<JudgedCall> {
  const { caller, sourcePort, to, pod, ways, masquerade } = call;
  const address = call.address ?? ADDRESS[caller];
  let seenPort = 0;
  const places = [...ways.before, ...ways.after];
  const scene = await observe(places, async () => {
    const answer = await http(caller, sourcePort, to.address, to.port, ANSWER_LIMIT_SECONDS);
    expect(answer).toMatchObject({ pod, peer: { address: masquerade ?? address } });
    seenPort = answer?.peer.port ?? 0;
  });
  if (masquerade === undefined) expect(seenPort).toBe(sourcePort);
  const names: Names = {
    caller: `${address}:${sourcePort}`,
    to: `${to.address}:${to.port}`,
    seen: `${masquerade ?? address}:${seenPort}`,
    endpoint: `${call.endpoint ?? ADDRESS[pod]}:${HTTP_PORT}`,
  };
  const original = `tcp ${names.caller} > ${names.to}`;
  const reply = `tcp ${names.endpoint} > ${names.seen}`;
  judgePaths(scene);
  const flow = judgeFlow(scene, {
    from: places[0] ?? '',
    to: places.at(-1) ?? '',
    original,
    reply,
    dnat: names.endpoint,
    ...(masquerade === undefined ? {} : { snat: names.seen }),
    ...(call.service === undefined ? {} : { service: call.service }),
    src: `${caller} (${kindOf(caller)})`,
    dst: `${pod} (pod)`,
  });
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  expect(await conntrackOf('node111', sourcePort, family)).toEqual([{ original, reply }]);
  const judged = {
    scene,
    flow,
    there: inDirection(scene, 'original'),
    back: inDirection(scene, 'reply'),
    names,
  };
  judgeWays(judged, call);
  if (call.service !== undefined) {
    const hook = kindOf(caller) === 'node' ? 'output' : 'prerouting';
    judgeServiceRules(judged.there[0], 'node111', hook, call.service);
  }
  return judged;
}

function judgeWays({ there, back, names }: JudgedCall, { ways, ...call }: ServiceCall): void {
  const { caller, to, seen, endpoint } = names;
  // A handshake, a request and a farewell.
  expect(Math.min(there.length, back.length)).toBeGreaterThan(2);
  for (const path of there) {
    expect(route(path)).toEqual(ways.there);
    for (const place of ways.before) expect(namesAt(path, place)).toEqual([`${caller} > ${to}`]);
    for (const place of ways.after) {
      expect(namesAt(path, place)).toEqual([`${seen} > ${endpoint}`]);
    }
    judgeTranslation(path, names, call);
  }
  for (const path of back) {
    expect(route(path)).toEqual(ways.back);
    for (const place of ways.after) {
      expect(namesAt(path, place)).toEqual([`${endpoint} > ${seen}`]);
    }
    for (const place of ways.before) expect(namesAt(path, place)).toEqual([`${to} > ${caller}`]);
  }
}

function judgeTranslation(
  path: PathRecord,
  { caller, to, seen, endpoint }: Names,
  call: Pick<ServiceCall, 'caller' | 'balanced'>,
): void {
  const asked = `tcp ${caller} > ${to}`;
  const sent = `tcp ${caller} > ${endpoint}`;
  // A tunnel's packet passes OUTPUT and POSTROUTING in its turn.
  const bare = { ...path, hops: path.hops.filter(({ outer }) => outer === null) };
  const at = (hook: Hook): string[] => tuplesAt(bare, 'node111', hook);
  if (call.balanced === true) {
    expect(at('prerouting')).toEqual([asked]);
    expect(at('input')).toEqual([asked]);
    expect(at('output')).toEqual([sent]);
  } else {
    expect(at(call.caller === 'node111' ? 'output' : 'prerouting')).toEqual([asked, sent]);
  }
  const left = caller === seen ? [sent] : [sent, `tcp ${seen} > ${endpoint}`];
  expect(at('postrouting')).toEqual(left);
}

function kindOf(caller: Caller): string {
  if (caller === 'client') return 'external';
  return caller === 'node111' ? 'node' : 'pod';
}
