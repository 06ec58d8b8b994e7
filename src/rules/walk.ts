import { listOf, type Met, natText, type RegisteredChain, type Trail, verdictText } from './met.js';
import type { Chain, Choice, Cut, Nat, Rule, Step, Table, Verdict, WalkState } from './model.js';
import { CONNTRACK_PRIORITY, type Packet, type Surroundings, type Tracked } from './packet.js';
import { lastMatch, merged } from './rule-steps.js';
import { type NatHint, translated } from './translate.js';

/** Rules that one evaluation looks at; 100,000 rules are no loop. */
export const RULES_LOOKED_AT = 200_000;
/** Ways that wait to be followed, and ways that are kept. */
export const PENDING_LIMIT = 4_096;
export const WAYS_LIMIT = 256;
/** Chains within each other; the kernel allows 16 (NFT_JUMP_STACK_SIZE), iptables-legacy more. */
export const DEPTH_LIMIT = 128;

/** One way that a packet may go through chains. */
export interface Way extends WalkState {
  readonly met: readonly Met[];
  readonly isDropped: boolean;
  readonly reject: string | null;
  readonly nat: Nat | null;
  /** As it leaves. */
  readonly packet: Packet;
}

export interface Walked {
  readonly ways: readonly Way[];
  /** Why not all ways were followed; null when they were. */
  readonly cut: Cut | null;
}

interface Frame {
  readonly chain: Chain;
  readonly index: number;
  readonly depth: number;
  readonly outer: Frame | null;
}

interface Walk extends WalkState {
  /** Index of the base chain that it is in. */
  base: number;
  chain: Chain;
  index: number;
  outer: Frame | null;
  packet: Packet;
  readonly tracked: Tracked | null;
  nat: Nat | null;
  mark: number;
  markUnknown: number;
  ctMark: number;
  ctMarkUnknown: number;
  isUntracked: boolean;
  trail: Trail | null;
  /** A rule that it is in the midst of: the step that comes next, and the choice that was made. */
  resumed: { readonly step: number; readonly choice: Choice } | null;
}

/**
 * Follows a packet through base chains, one after the other. Where a match cannot be evaluated, or chance
 * decides, both ways are followed.
 *
 * @param agrees whether a way is one of those that were asked for
 */
export function walkChains(
  chains: readonly RegisteredChain[],
  packet: Packet,
  around: Surroundings,
  agrees: (way: Way) => boolean = () => true,
  hint: NatHint | null = null,
): Walked {
  return new Walker(chains, around, agrees, hint).run(packet);
}

class Walker {
  readonly #chains: readonly RegisteredChain[];
  readonly #around: Surroundings;
  readonly #agrees: (way: Way) => boolean;
  readonly #hint: NatHint | null;
  readonly #pending: Walk[] = [];
  readonly #ways: Way[] = [];
  #left = RULES_LOOKED_AT;
  #cut: Walked['cut'] = null;

  constructor(
    chains: readonly RegisteredChain[],
    around: Surroundings,
    agrees: (way: Way) => boolean,
    hint: NatHint | null,
  ) {
    this.#chains = chains;
    this.#around = around;
    this.#agrees = agrees;
    this.#hint = hint;
  }

  run(packet: Packet): Walked {
    const [first] = this.#chains;
    if (first === undefined) return { ways: [], cut: null };
    const start: Walk = {
      ...{ base: 0, chain: first.chain, index: 0 },
      ...{
        outer: null,
        packet,
        tracked: packet.tracked,
        nat: null,
        mark: packet.mark,
        markUnknown: 0,
        isUntracked: false,
      },
      ...{ ctMark: packet.connectionMark ?? 0, trail: null, resumed: null },
      ctMarkUnknown: packet.connectionMark === null ? 0xffffffff : 0,
    };
    this.#enter(start, 0);
    while (this.#cut === null) {
      const walk = this.#pending.pop();
      if (walk === undefined) break;
      this.#follow(walk);
    }
    return { ways: this.#ways, cut: this.#cut };
  }

  /** The base chain at an index, or the first after it that takes the packet. */
  #enter(walk: Walk, from: number): void {
    let base = from;
    while (base < this.#chains.length && !isAsked(this.#chains[base] as RegisteredChain, walk))
      base += 1;
    const next = this.#chains[base];
    if (next === undefined) {
      this.#end(walk, false, null);
      return;
    }
    walk.base = base;
    walk.chain = next.chain;
    walk.index = 0;
    walk.outer = null;
    this.#pending.push(walk);
  }

  #end(walk: Walk, isDropped: boolean, reject: string | null): void {
    const { mark, markUnknown, ctMark, ctMarkUnknown, isUntracked, nat, packet } = walk;
    const state = { mark, markUnknown, ctMark, ctMarkUnknown, isUntracked };
    const way: Way = { ...state, met: listOf(walk.trail), isDropped, reject, nat, packet };
    if (!this.#agrees(way)) return;
    if (this.#ways.length >= WAYS_LIMIT) this.#cut = 'RULES_TOO_MANY_WAYS';
    else this.#ways.push(way);
  }

  /** Up to its end, or to where another base chain begins. */
  #follow(walk: Walk): void {
    const base = this.#chains[walk.base] as RegisteredChain;
    const table = base.table;
    while (this.#cut === null) {
      const { rules } = walk.chain;
      const index = walk.resumed === null ? rules.next(walk.index, walk.packet.dst) : walk.index;
      if (index >= rules.length) {
        if (walk.chain.isCut) {
          this.#cut = 'RULES_LEFT_OUT';
          return;
        }
        if (this.#leave(walk)) continue;
        this.#policy(walk, base);
        return;
      }
      this.#left -= 1;
      if (this.#left < 0) {
        this.#cut = 'RULES_LOOP';
        return;
      }
      walk.index = index;
      const verdict = this.#rule(walk, rules.at(index), table);
      if (verdict === null) {
        walk.index += 1;
        continue;
      }
      switch (verdict.kind) {
        case 'accept':
        case 'stop':
          this.#enter(walk, walk.base + 1);
          return;
        case 'drop':
          this.#end(walk, true, verdict.reject);
          return;
        case 'return':
          if (this.#leave(walk)) continue;
          this.#policy(walk, base);
          return;
        default:
          if (!this.#jump(walk, table, verdict.kind, verdict.chain)) return;
      }
    }
  }

  #leave(walk: Walk): boolean {
    const { outer } = walk;
    if (outer === null) return false;
    walk.chain = outer.chain;
    walk.index = outer.index;
    walk.outer = outer.outer;
    return true;
  }

  #policy(walk: Walk, { table, chain }: RegisteredChain): void {
    const isDrop = chain.base?.policy === 'drop';
    const verdict = `policy ${isDrop ? 'DROP' : 'ACCEPT'}`;
    const effect = isDrop ? 'drop' : 'none';
    const met: Met = { table, chain, rule: null, verdict, taken: null, comment: null, effect };
    walk.trail = { met, before: walk.trail };
    if (isDrop) this.#end(walk, true, null);
    else this.#enter(walk, walk.base + 1);
  }

  /** False where it does not go on. */
  #jump(walk: Walk, table: Table, kind: 'jump' | 'goto', name: string): boolean {
    const target = table.chains.get(name);
    if (target === undefined) {
      // The chain came or went while the rules were read.
      walk.index += 1;
      return true;
    }
    const depth = (walk.outer?.depth ?? 0) + (kind === 'jump' ? 1 : 0);
    if (depth > DEPTH_LIMIT) {
      this.#cut = 'RULES_TOO_DEEP';
      return false;
    }
    if (kind === 'jump') {
      walk.outer = { chain: walk.chain, index: walk.index + 1, depth, outer: walk.outer };
    }
    walk.chain = target;
    walk.index = 0;
    return true;
  }

  /** What a rule decides; null where the next one is asked. */
  #rule(walk: Walk, rule: Rule, table: Table): Verdict | null {
    const { steps } = rule;
    const resumed = walk.resumed;
    walk.resumed = null;
    let taken: string | null = null;
    let words = 'continue';
    let effect: Met['effect'] = 'none';
    let verdict: Verdict | null = null;
    let comment: string | null = null;
    for (let i = resumed?.step ?? 0; i < steps.length && verdict === null; i++) {
      let step: Step | null = steps[i] as Step;
      if (step.kind === 'match') {
        const last = lastMatch(steps, i);
        const unsure = this.#matches(walk, steps, i, last);
        if (unsure === false) return null;
        i = last;
        if (unsure !== null) {
          taken = unsure;
          this.#fork(walk, { index: walk.index + 1 });
        }
        continue;
      }
      if (step.kind === 'choose') {
        const choice =
          resumed !== null && i === resumed.step ? resumed.choice : this.#choose(walk, step, i);
        if (choice === null) return null;
        ({ step, comment } = choice);
        if (step === null) continue;
      }
      const done = this.#do(walk, step, table);
      if (done.words !== null) words = done.words;
      if (done.effect !== 'none') effect = done.effect;
      verdict = done.verdict;
    }
    const met = { table, chain: walk.chain, rule, verdict: words, taken, comment, effect };
    walk.trail = { met, before: walk.trail };
    return verdict;
  }

  /** False where one is not met; what could not be evaluated; null where all are met. */
  #matches(walk: Walk, steps: readonly Step[], from: number, last: number): string | false | null {
    let unsure: string | null = null;
    for (let i = from; i <= last; i++) {
      const step = steps[i] as Step & { kind: 'match' };
      const truth = step.test(walk.packet, this.#around, walk);
      if (truth === false) return false;
      if (truth === null) unsure ??= step.what;
    }
    return unsure;
  }

  /** One of the choices; the others wait. */
  #choose(walk: Walk, step: Step & { kind: 'choose' }, at: number): Choice | null {
    const choices = step.choices(walk.packet, this.#around, walk);
    if (choices === null) {
      // Nobody knows the element: whatever it says may be done, or nothing.
      return { step: { kind: 'unknown', what: step.what }, comment: null };
    }
    for (let i = choices.length - 1; i > 0; i--) {
      this.#fork(walk, { resumed: { step: at, choice: choices[i] as Choice } });
    }
    return choices[0] ?? null;
  }

  #fork(walk: Walk, change: Partial<Walk>): void {
    if (this.#pending.length >= PENDING_LIMIT) this.#cut = 'RULES_TOO_MANY_WAYS';
    else this.#pending.push({ ...walk, ...change });
  }

  #do(walk: Walk, step: Step, table: Table): Done {
    switch (step.kind) {
      case 'verdict':
        return {
          ...NOTHING,
          verdict: step.verdict,
          words: verdictText(step.verdict),
          effect: step.verdict.kind === 'drop' ? 'drop' : 'none',
        };
      case 'nat': {
        walk.nat = step.nat;
        walk.packet = translated(walk.packet, step.nat, this.#hint);
        return { ...NOTHING, verdict: ACCEPT, words: natText(step.nat), effect: 'nat' };
      }
      case 'mark':
      case 'ctmark':
        return changeMark(walk, step);
      case 'save':
        walk.ctMark = merged(walk.ctMark, walk.mark, step.mask, step.toMask);
        walk.ctMarkUnknown = merged(walk.ctMarkUnknown, walk.markUnknown, step.mask, step.toMask);
        return { ...NOTHING, words: 'save mark' };
      case 'restore':
        walk.mark = merged(walk.mark, walk.ctMark, step.mask, step.toMask);
        walk.markUnknown = merged(walk.markUnknown, walk.ctMarkUnknown, step.mask, step.toMask);
        return { ...NOTHING, words: 'restore mark', effect: 'mark' };
      case 'note':
        if (step.what === 'notrack') walk.isUntracked = true;
        return { ...NOTHING, words: step.what.toLowerCase() };
      case 'unknown':
        return this.#anything(walk, step.what, table);
      default:
        return NOTHING;
    }
  }

  /** What is not known may let the packet on, accept it, or drop it. */
  #anything(walk: Walk, what: string, table: Table): Done {
    for (const isDrop of [true, false]) {
      const verdict: Verdict = isDrop ? { kind: 'drop', reject: null } : ACCEPT;
      const met: Met = {
        ...{ table, chain: walk.chain, rule: walk.chain.rules.at(walk.index), taken: what },
        comment: null,
        verdict: verdictText(verdict),
        effect: isDrop ? 'drop' : 'none',
      };
      const other: Walk = { ...walk, trail: { met, before: walk.trail } };
      if (isDrop) this.#end(other, true, null);
      else this.#enter(other, walk.base + 1);
    }
    return { ...NOTHING, words: what };
  }
}

interface Done {
  readonly verdict: Verdict | null;
  readonly words: string | null;
  readonly effect: Met['effect'];
}

const NOTHING: Done = { verdict: null, words: null, effect: 'none' };
const ACCEPT: Verdict = { kind: 'accept' };
/** Hooks in which connection tracking begins. */
const BEGINS: ReadonlySet<string> = new Set(['prerouting', 'output']);

/** Whether a base chain is asked at all: nat is for the first packet of a connection, and once. */
function isAsked({ chain: { base } }: RegisteredChain, walk: Walk): boolean {
  if (base === null) return false;
  if (walk.packet.isTrackedHere && BEGINS.has(base.hook)) {
    // What a table before connection tracking asks finds no entry.
    const tracked = base.priority <= CONNTRACK_PRIORITY ? null : walk.tracked;
    if (tracked !== walk.packet.tracked) walk.packet = { ...walk.packet, tracked };
  }
  if (!base.isNat) return true;
  const isSettled = walk.tracked?.isNatSettled === true;
  return walk.nat === null && !walk.isUntracked && !isSettled && isFirst(walk.packet);
}

function isFirst({ tracked }: Packet): boolean {
  const state = tracked?.state ?? null;
  return tracked !== null && (state === 'new' || state === 'related' || state === null);
}

function changeMark(walk: Walk, step: Step & { kind: 'mark' | 'ctmark' }): Done {
  const value = step.kind === 'mark' ? 'mark' : 'ctMark';
  const bits = step.kind === 'mark' ? 'markUnknown' : 'ctMarkUnknown';
  if (step.flip === null) {
    walk[bits] = 0xffffffff;
    return { ...NOTHING, words: 'mark', effect: 'mark' };
  }
  walk[value] = ((walk[value] & step.keep) ^ step.flip) >>> 0;
  walk[bits] = (walk[bits] & step.keep) >>> 0;
  const words = `${step.kind === 'mark' ? 'mark' : 'connection mark'} 0x${walk[value].toString(16)}`;
  return { ...NOTHING, words, effect: step.kind === 'mark' ? 'mark' : 'none' };
}
