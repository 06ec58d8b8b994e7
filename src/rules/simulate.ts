/** What would happen to a packet: every hook it would pass in a namespace, and the route between them. */
import type { Hook, RuleRecord } from 'hopscope-protocol';
import type { Namespace } from '../network/machine.js';
import type { RouteKey } from '../network/route-table.js';
import { familyOf } from './address.js';
import { judge } from './agreeing.js';
import { type Met, metKey } from './met.js';
import type { Packet } from './packet.js';
import { routeRecord } from './route-record.js';
import { ruleRecord } from './rule-record.js';
import type { RuleSet } from './rule-set.js';
import { type Walked, type Way, walkChains } from './walk.js';

/** Ends listed: a service has as many as it has endpoints. */
export const ENDS_LIMIT = 64;

/** Rules that the packet meets in one hook, or the route that takes it. */
export interface SimulatedStep {
  readonly hook: Hook | 'route';
  readonly rules: readonly RuleRecord[];
}

/** One of the ends that the packet may come to. */
export interface SimulatedEnd {
  readonly steps: readonly SimulatedStep[];
  readonly verdict: 'delivered' | 'forwarded' | 'dropped' | 'unknown';
  /** As it leaves the namespace or is delivered in it. */
  readonly packet: Packet;
  readonly outgoing: string | null;
  /** Why rules or a route are not known; null where they are. */
  readonly problem: string | null;
}

export interface Simulation {
  readonly ends: readonly SimulatedEnd[];
  /** Whether there are more ends than `ENDS_LIMIT`. */
  readonly isCut: boolean;
}

interface Branch {
  readonly packet: Packet;
  readonly steps: readonly SimulatedStep[];
}

/** @param packet `incoming` is empty for one that a process of the namespace sends */
export function simulate(rules: RuleSet, namespace: Namespace, packet: Packet): Simulation {
  return new Simulator(rules, namespace).run(packet);
}

class Simulator {
  readonly #rules: RuleSet;
  readonly #namespace: Namespace;
  readonly #ends: SimulatedEnd[] = [];
  #isCut = false;

  constructor(rules: RuleSet, namespace: Namespace) {
    this.#rules = rules;
    this.#namespace = namespace;
  }

  run(packet: Packet): Simulation {
    const start: Branch = { packet, steps: [] };
    if (packet.incoming === '') {
      this.#routed(start, (to) =>
        this.#hook('output', to, (sent) =>
          // What is translated or marked there is routed again.
          this.#routed({ ...sent, steps: sent.steps }, (out) => this.#send(out, 'forwarded')),
        ),
      );
    } else {
      this.#hook('prerouting', start, (come) => this.#routed(come, (to) => this.#deliver(to)));
    }
    return { ends: this.#ends, isCut: this.#isCut };
  }

  #deliver(branch: Branch & { readonly isLocal: boolean }): void {
    if (branch.isLocal) {
      this.#hook('input', branch, (taken) => this.#end(taken, 'delivered', null));
      return;
    }
    if (!this.#namespace.description.forwards[branch.packet.family]) {
      this.#end(branch, 'dropped', 'the namespace does not forward');
      return;
    }
    this.#hook('forward', branch, (passed) =>
      this.#send({ ...passed, isLocal: false }, 'forwarded'),
    );
  }

  #send(branch: Branch & { readonly isLocal: boolean }, verdict: 'forwarded'): void {
    this.#hook('postrouting', branch, (out) =>
      this.#end(out, branch.isLocal ? 'delivered' : verdict, null),
    );
  }

  #routed(branch: Branch, then: (to: Branch & { readonly isLocal: boolean }) => void): void {
    const { packet } = branch;
    const key: RouteKey = {
      dst: { family: packet.family, value: BigInt(packet.dst) },
      src: { family: packet.family, value: BigInt(packet.src) },
      mark: packet.mark,
      incoming: packet.incoming === '' ? 'lo' : (packet.incoming ?? ''),
      outgoing: null,
    };
    const found = this.#namespace.find(key);
    if (found === null) {
      this.#end(branch, 'dropped', 'no route');
      return;
    }
    const record = routeRecord(
      found,
      (ifindex) => this.#namespace.link(ifindex)?.name ?? null,
      false,
    );
    const steps = [...branch.steps, { hook: 'route', rules: [record] } as const];
    const { type } = found.route;
    if (type === 'local' || type === 'broadcast') {
      const outgoing = packet.incoming === '' ? 'lo' : '';
      then({ packet: { ...packet, outgoing }, steps, isLocal: true });
    } else if (type === 'unicast') {
      const outgoing = this.#namespace.link(found.hop?.ifindex ?? null)?.name ?? null;
      then({ packet: { ...packet, outgoing }, steps, isLocal: false });
    } else {
      this.#end({ packet, steps }, 'dropped', `the route is ${type}`);
    }
  }

  /** Each end of a hook in turn. */
  #hook(hook: Hook, branch: Branch, then: (after: Branch) => void): void {
    const chains = this.#rules.registered(branch.packet.family, hook);
    if (chains.length === 0) {
      then(branch);
      return;
    }
    const walked = walkChains(chains, branch.packet, this.#rules.around);
    const ends = endsOf(walked);
    const counts = countMet(walked.ways);
    for (const ways of ends.values()) {
      const [first] = ways;
      if (first === undefined) continue;
      const seen = { isDropped: null, isTranslated: false, isMarked: false };
      const isWhole = this.#rules.isWhole(branch.packet.family);
      const cut = walked.cut ?? (isWhole ? null : 'RULES_INCOMPLETE');
      const rules = judge({ ways, cut }, seen).map((judged) => {
        const isInAll = counts.get(metKey(judged.met)) === walked.ways.length;
        const isOneOf = !isInAll && judged.certainty === 'follows';
        const record = ruleRecord(judged);
        return isOneOf ? { ...record, certainty: 'one-of' as const, of: ends.size } : record;
      });
      const connectionMark = first.ctMarkUnknown === 0 ? first.ctMark : null;
      const packet = { ...first.packet, mark: first.mark, connectionMark };
      const after = { packet, steps: [...branch.steps, { hook, rules }] };
      if (first.isDropped) this.#end(after, 'dropped', null);
      else then(after);
    }
    if (walked.cut !== null) this.#end(branch, 'unknown', walked.cut);
  }

  #end({ packet, steps }: Branch, verdict: SimulatedEnd['verdict'], problem: string | null): void {
    if (this.#ends.length >= ENDS_LIMIT) this.#isCut = true;
    else this.#ends.push({ steps, verdict, packet, outgoing: packet.outgoing, problem });
  }
}

/** Ways by what they make of the packet. */
function endsOf({ ways }: Walked): Map<string, Way[]> {
  const ends = new Map<string, Way[]>();
  for (const way of ways) {
    const { src, dst, sport, dport } = way.packet;
    const key = [
      way.isDropped,
      way.mark,
      way.ctMark,
      way.nat?.kind ?? '',
      src,
      sport,
      dst,
      dport,
    ].join(' ');
    const known = ends.get(key);
    if (known === undefined) ends.set(key, [way]);
    else known.push(way);
  }
  return ends;
}

function countMet(ways: readonly Way[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { met } of ways) {
    for (const key of new Set(met.map((each: Met) => metKey(each)))) {
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return counts;
}

/** The first packet of a connection, as it comes to a namespace. */
export function firstPacket(
  ends: Pick<Packet, 'src' | 'dst' | 'sport' | 'dport'>,
  protocol: number,
  incoming: string,
  mark: number,
): Packet {
  const isTcp = protocol === 6;
  const isIcmp = protocol === 1 || protocol === 58;
  const echo = protocol === 1 ? 8 : 128;
  return {
    ...ends,
    family: familyOf(ends.src),
    protocol,
    icmp: isIcmp ? { type: echo, code: 0 } : null,
    tcpFlags: isTcp ? 2 : null,
    length: null,
    ttl: null,
    isLaterFragment: false,
    incoming,
    outgoing: null,
    mark,
    connectionMark: 0,
    tracked: {
      ...{ state: 'new', isReply: false, isSnat: false, isDnat: false },
      isNatSettled: false,
      ...{ original: ends, reply: null },
    },
    isTrackedHere: true,
  };
}
