/** The ways there and back between who calls through node111 and the pod that answers. */
import { type PodName, podNamed } from '../../src/lab/topology.js';
import type { Mode } from './cluster.js';
import { betweenNodes, fromClient, hostEnd, podEnd } from './place.js';
import {
  acrossNodes,
  fromClientTo,
  intoPod,
  outOfPod,
  routed,
  sent,
  taken,
  toClientFrom,
} from './way.js';

/** Node111 stands for a process of it. */
export type Caller = PodName | 'client' | 'node111';

export interface RoundTrip {
  /** Devices in the order of the way there: before node111's rules, and after them. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** The steps of a packet there and of one back, as `route` gives them. */
  readonly there: readonly string[];
  readonly back: readonly string[];
}

/**
 * @param middle what node111 does with a packet there that comes from elsewhere
 */
export async function roundTrip(
  encap: Mode,
  caller: Caller,
  pod: PodName,
  middle: readonly string[] = routed('node111'),
): Promise<RoundTrip> {
  const far = podNamed(pod).node === 'node112';
  const onwards = far
    ? [...(await acrossNodes(encap, 'node111', 'node112')), ...routed('node112')]
    : [];
  const backwards = far
    ? [...routed('node112'), ...(await acrossNodes(encap, 'node112', 'node111'))]
    : [];
  const near = await nearEnd(caller, middle);
  return {
    before: near.before,
    after: [...(far ? betweenNodes(encap) : []), hostEnd(pod), podEnd(pod)],
    there: [...near.there, ...onwards, ...intoPod(pod, hostEnd(pod))],
    back: [...outOfPod(pod, hostEnd(pod)), ...backwards, ...near.back],
  };
}

/** From the caller up to what node111 does, and from there back to it. */
async function nearEnd(
  caller: Caller,
  middle: readonly string[],
): Promise<Omit<RoundTrip, 'after'>> {
  switch (caller) {
    case 'node111':
      return { before: [], there: sent('node111'), back: taken('node111') };
    case 'client':
      return {
        before: fromClient('node111'),
        there: [...fromClientTo('node111'), ...middle],
        back: [...routed('node111'), ...(await toClientFrom('node111'))],
      };
    default:
      return {
        before: [podEnd(caller), hostEnd(caller)],
        there: [...outOfPod(caller, hostEnd(caller)), ...middle],
        back: [...routed('node111'), ...intoPod(caller, hostEnd(caller))],
      };
  }
}
