import {
  type FlowRecord,
  type Grouping,
  PATHS_PER_FLOW,
  PATHS_PER_MESSAGE,
  type RowOrder,
} from 'hopscope-protocol';
import { flowChain } from '../export/flow-chain.js';
import type { Flow } from '../flow/flow.js';
import type { FlowTable } from '../flow/flow-table.js';
import type { FlowFeed } from '../model/feed.js';
import type { ChannelCounters } from './channel-counters.js';
import type {
  AnswerMessage,
  AskMessage,
  FirstFlows,
  FlowDetail,
  FlowsPart,
  GroupsPart,
  PagePosition,
  Question,
} from './channel-messages.js';
import type { Collected } from './collected.js';
import { flowMatch } from './flow-match.js';
import { flowRow } from './flow-row.js';
import { GroupScan } from './group-scan.js';
import { ANSWER_DEADLINE_MS, ANSWER_SHARE, SLOTS_PER_ANSWER, STEPS_PER_ANSWER } from './limits.js';
import { OrderScan } from './order-scan.js';
import { Scans } from './scans.js';

/** How long an answer waits for a channel that is full before it asks again. */
const NOT_READY_MS = 10;

/**
 * Answers questions of the server process with whole records, one after another, in no
 * more than ANSWER_SHARE of the time: after an answer that took a millisecond the next
 * waits for nine. What has waited past its deadline is left out: nobody waits for it.
 */
export class Answers {
  readonly #collected: Collected;
  readonly #feed: FlowFeed;
  readonly #groupings = new Scans<GroupScan>();
  readonly #orders = new Scans<OrderScan>();
  readonly #flows: FlowTable;
  readonly #counters: ChannelCounters;
  readonly #send: (answer: AnswerMessage) => void;
  readonly #ready: () => boolean;
  #waiting: { readonly message: AskMessage; readonly cameMs: number }[] = [];
  #timer: NodeJS.Timeout | null = null;

  /** @param ready whether the channel takes an answer now; when not, all wait */
  constructor(
    collected: Collected,
    counters: ChannelCounters,
    send: (answer: AnswerMessage) => void,
    ready: () => boolean,
  ) {
    this.#collected = collected;
    this.#feed = collected.feed;
    this.#flows = collected.flows;
    this.#counters = counters;
    this.#send = send;
    this.#ready = ready;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  ask(message: AskMessage): void {
    this.#waiting.push({ message, cameMs: performance.now() });
    this.#timer ??= setTimeout(() => this.#turn(), 0);
  }

  clear(): void {
    this.#waiting = [];
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #turn(): void {
    this.#timer = null;
    const begun = performance.now();
    const ready = this.#ready();
    if (ready) this.#answerNext(begun);
    if (this.#waiting.length === 0) return;
    const took = performance.now() - begun;
    const wait = ready ? Math.ceil(took * (1 / ANSWER_SHARE - 1)) : NOT_READY_MS;
    this.#timer = setTimeout(() => this.#turn(), wait);
  }

  #answerNext(now: number): void {
    let next = this.#waiting.shift();
    while (next !== undefined && now - next.cameMs > ANSWER_DEADLINE_MS) {
      this.#counters.questionsLate += 1;
      next = this.#waiting.shift();
    }
    if (next === undefined) return;
    const { number, question } = next.message;
    this.#send({ type: 'answer', number, value: this.#answer(question) });
  }

  #answer(question: Question): AnswerMessage['value'] {
    switch (question.about) {
      case 'flow':
        return this.#detail(question.id, question.have);
      case 'flows':
        return this.#part(question.from, question.limit, question.filter);
      case 'first':
        return this.#first(question.filter, question.order, question.limit);
      case 'records':
        return this.#records(question.ids);
      case 'history':
        return this.#feed.history(question.id);
      case 'groups':
        return this.#groups(question.by, question.filter);
      case 'mtu':
        return this.#feed.mtu();
      case 'namespaces':
        return this.#feed.namespaces();
    }
  }

  #groups(by: Grouping, filter: string): GroupsPart {
    const begin = (): GroupScan => new GroupScan(this.#collected, by, filter);
    const scan = this.#groupings.of(`${by} ${filter}`, begin);
    const isWhole = scan.advance();
    return { groups: isWhole ? scan.answer : null, isWhole };
  }

  #first(filter: string, order: RowOrder, limit: number): FirstFlows | null {
    const { column, descending } = order;
    const begin = (): OrderScan => new OrderScan(this.#collected, filter, order, limit);
    const scan = this.#orders.of(`${column} ${descending} ${limit} ${filter}`, begin);
    return scan.advance() ? scan.answer : null;
  }

  #records(ids: readonly string[]): readonly FlowRecord[] {
    return ids.flatMap((id) => this.#feed.flow(id) ?? []);
  }

  #detail(id: string, have: readonly string[]): FlowDetail {
    const feed = this.#feed;
    const flow = feed.flow(id, true);
    if (flow === null) return { flow, chain: [], pathIds: [], paths: [] };
    // Who looks at a flow wants its packets now.
    feed.request();
    const recent = feed.recentPaths(id, PATHS_PER_FLOW);
    const chain = flowChain(flow, (other) => feed.flow(other));
    return {
      flow,
      chain: chain.length < 2 ? [] : chain.map(flowRow),
      pathIds: recent.map((path) => path.id),
      paths: recent
        .filter((path) => !have.includes(path.id))
        .slice(0, PATHS_PER_MESSAGE)
        .map((path) => path.record()),
    };
  }

  #part(from: PagePosition | null, limit: number, filter: string): FlowsPart {
    const records: FlowRecord[] = [];
    const match = filter === '' ? null : flowMatch(this.#collected, filter);
    const most = match === null ? STEPS_PER_ANSWER : SLOTS_PER_ANSWER;
    let before = from?.before ?? Number.POSITIVE_INFINITY;
    let flow = this.#begin(from);
    let at: Flow | null = null;
    for (let steps = 0; flow !== null && steps < most; steps++, flow = this.#flows.older(flow)) {
      if (records.length >= limit) break;
      at = flow;
      // What has changed since the page before stands before it in the order of change.
      if (flow.version >= before) continue;
      before = flow.version;
      if (match !== null && match(flow) === null) continue;
      const record = this.#feed.flow(flow.id);
      if (record !== null) records.push(record);
    }
    const next =
      flow === null || at === null
        ? null
        : { before: Math.min(before, Number.MAX_SAFE_INTEGER), id: at.id };
    return { records, next, total: this.#flows.size + this.#flows.ended };
  }

  /** Where the look-up goes on: where it ended, or at the newest when that has moved. */
  #begin(from: PagePosition | null): Flow | null {
    const flow = from === null ? undefined : this.#flows.get(from.id);
    // Having changed, it stands further ahead than it stood: then what is between comes again,
    // and is passed over by its number.
    return flow ?? this.#flows.newest;
  }
}
