import { dirname, join } from 'node:path';
import { BpfError, type BpfMap, type Program } from 'ebpf-ts';
import type { Seen } from 'hopscope-protocol';
import { UnsupportedError } from '../model/errors.js';
import { PRIORITY_OFFSET_LIMIT } from '../name/netfilter-table.js';
import { type HookDemand, type HookDetail, NO_DEMAND, UNKNOWN_DEMAND } from './hook-places.js';
import { type HookInstrument, modulesOf } from './hook-programs.js';
import { HookSurvey } from './hook-survey.js';
import { type MissedRuns, NONE_MISSED, sumOfMissed } from './kernel-counters.js';
import { modulesWithTypes } from './kernel-types.js';
import { MissingCauses } from './missing-causes.js';
import { WATCHED_LIMIT } from './namespace-budget.js';
import { NamespaceMap } from './namespace-map.js';
import type { FoundNamespace } from './namespace-watcher.js';
import { onlineCpus } from './online-cpus.js';
import { TracerAttachment } from './tracer-attachment.js';
import {
  bestInstrument,
  type KeptMap,
  type LoadedTracer,
  loadTracer,
  reasonOf,
  setValue,
  type TracerOptions,
} from './tracer-object.js';
import { ALL_ROOM, type WindowRoom } from './tracing-gate.js';

/** Run on each CPU, not attached; see bpf/tracer.bpf.c. */
const FLUSH_PROGRAM = 'flush_trails';
const FINISH_PROGRAM = 'finish_trails';
/** A run that interrupts a program at work in a slot is tried again, so often. */
const FLUSH_TRIES = 50;

const NO_ROOM = new UnsupportedError(
  'TOO_MANY_OBSERVERS',
  `${PRIORITY_OFFSET_LIMIT} other programs have the netfilter priorities hopscope needs`,
  'stop other hopscope processes; see: bpftool link list',
);

/** Whether anybody's demand for hooks is known, and what it is. */
type Demands = ReadonlyMap<number, HookDemand> | null;

/**
 * The kernel side: loads the one object with what this kernel takes of it, attaches it
 * where something can happen, opens and closes it, and does so anew when a kernel module
 * comes that it has to do with.
 */
export class Tracer {
  readonly #options: TracerOptions;
  #missing = new MissingCauses();
  #hooks: HookInstrument = 'none';
  #current: TracerAttachment | null = null;
  #survey: HookSurvey | null = null;
  #noSurvey: string | null = null;
  #detail: HookDetail = 'all';
  #sees: Seen = 'all';
  #room: WindowRoom;
  #isReplacing = false;
  #isDetached = false;
  /** As of the last look: an object takes its time to load, and namespaces come meanwhile. */
  #namespaces: ReadonlyMap<number, FoundNamespace> = new Map();
  /** In the programs' map `observed`. */
  readonly #observed = new NamespaceMap(WATCHED_LIMIT);
  /** Of objects that were replaced. */
  #pastMisses = NONE_MISSED;
  /** Modules whose types the loaded object knows, and those that the last look found. */
  #known: readonly string[] = [];
  #seen: readonly string[] = [];

  constructor(options: TracerOptions) {
    this.#options = options;
    this.#room = options.room ?? ALL_ROOM;
  }

  /** What sees netfilter hooks here. */
  get hooks(): HookInstrument {
    return this.#current?.hooks ?? this.#hooks;
  }

  /** What it cannot see, in words; an entry goes when its cause is over. */
  get missing(): readonly string[] {
    return [...(this.#current?.missing ?? []), ...this.#missing.texts()];
  }

  get detail(): HookDetail {
    return this.#detail;
  }

  get sees(): Seen {
    return this.#sees;
  }

  /** Netfilter links attached now. */
  get links(): number {
    return this.#current?.links ?? 0;
  }

  /** A map of the loaded object; undefined before `attach` and after `dispose`. */
  map(name: KeptMap): BpfMap | undefined {
    return this.#current?.loaded.object.map(name);
  }

  /** Runs of programs that the kernel left out, since each was already on that CPU. */
  missedRuns(): MissedRuns {
    return sumOfMissed(this.#pastMisses, this.#current?.missedRuns() ?? NONE_MISSED);
  }

  /** Time the programs have run while BPF statistics were on, ns. */
  runTime(): bigint {
    return this.#current?.runTime() ?? 0n;
  }

  /**
   * Has every trail that is still in a slot handed to the ring, on all CPUs. False when a slot
   * was at work each time: then a trail that began before may still come.
   */
  flush(): boolean {
    return this.#flush(FLUSH_PROGRAM);
  }

  /** The same after `detach`: those that a filter may want yet are settled, too. */
  finish(): boolean {
    return this.#flush(FINISH_PROGRAM);
  }

  #flush(name: string): boolean {
    const program = this.#current?.loaded.object.program(name);
    return program === undefined || onlineCpus().every((cpu) => flushed(program, cpu));
  }

  /**
   * Loads, and when `before` has resolved attaches, at an offset from any other observer that has
   * our priorities. Errors: those of `before`, UnsupportedError `KERNEL_NOT_PERMITTED`,
   * `KERNEL_NOT_SUPPORTED`, `TOO_MANY_OBSERVERS`.
   */
  async attach(
    namespaces: ReadonlyMap<number, FoundNamespace>,
    before: Promise<unknown> = Promise.resolve(),
  ): Promise<void> {
    this.#hooks = this.#options.hooks ?? bestInstrument();
    this.#namespaces = namespaces;
    const ready = Promise.all([this.#openSurvey(), this.#options.ownPort, before]);
    // The load may fail first: then nobody waits for these.
    ready.catch(() => undefined);
    await this.#begin(null, ready);
  }

  /**
   * Follows the machine: detaches from namespaces that nothing else keeps, attaches in those that
   * came or refused before, and attaches links where a hook is in use since. Call it with
   * all of them, again and again. True when it detached from a namespace.
   */
  update(namespaces: ReadonlyMap<number, FoundNamespace>): boolean {
    const current = this.#current;
    this.#namespaces = namespaces;
    if (current === null) return false;
    const left = current.detachGone(namespaces);
    this.#observe(current, namespaces);
    const demands = this.#demands();
    for (const namespace of namespaces.values()) {
      current.want(namespace, this.#demandIn(demands, namespace), this.#detail);
    }
    return left.length > 0;
  }

  /**
   * `edges` keeps the first and the last place of each hook that has something on it; only
   * the difference is attached or detached.
   */
  setDetail(detail: HookDetail, namespaces: ReadonlyMap<number, FoundNamespace>): void {
    if (detail === this.#detail) return;
    this.#detail = detail;
    this.update(namespaces);
  }

  /**
   * Sees so much from now on: for drops alone everything else is detached, and what is attached
   * meanwhile waits. Errors: UnsupportedError; then it sees drops.
   *
   * @param room see `TracingGate.see`
   */
  see(sees: Seen, room = ALL_ROOM): void {
    if (sees === this.#sees) return;
    this.#sees = sees;
    this.#room = room;
    try {
      this.#current?.see(sees, room);
    } catch (error) {
      this.#sees = 'drops';
      this.#current?.see('drops', ALL_ROOM);
      throw error;
    }
  }

  /**
   * When the kernel went over to drops by itself, the room being full, CLOCK_MONOTONIC in ns;
   * null: it did not.
   */
  shutAt(): bigint | null {
    return this.#sees === 'drops' ? null : (this.#current?.shutAt() ?? null);
  }

  /**
   * Looks for modules that were loaded since, and replaces the object if their coming is
   * over. True when it did. Errors: as `replace`.
   */
  async reload(namespaces: ReadonlyMap<number, FoundNamespace>): Promise<boolean> {
    if (this.#isReplacing) return false;
    const before = this.#seen;
    this.#seen = modulesWithTypes(modulesOf(this.hooks));
    const settled = this.#seen.length === before.length;
    if (!settled || this.#seen.every((module) => this.#known.includes(module))) return false;
    return this.replace(namespaces);
  }

  /**
   * Lets a new object take over the old one's ring: it is attached everywhere before it sees
   * in the old one's place from one moment on, so that nothing is missed, and nothing seen
   * twice. Its links are beside the old ones, at
   * priorities at another offset. True when there was an object to replace, and
   * none was on its way already. Errors: UnsupportedError; what was attached goes on as it
   * was.
   */
  async replace(namespaces: ReadonlyMap<number, FoundNamespace>): Promise<boolean> {
    const old = this.#current;
    if (old === null || this.#isReplacing) return false;
    this.#namespaces = namespaces;
    this.#isReplacing = true;
    try {
      return await this.#begin(old, Promise.resolve());
    } finally {
      this.#isReplacing = false;
    }
  }

  /** Detaches everything, for good; the maps stay until `dispose`. */
  detach(): void {
    this.#isDetached = true;
    this.#current?.detach();
  }

  dispose(): void {
    this.detach();
    this.#current?.dispose();
    this.#current = null;
    this.#survey?.close();
    this.#survey = null;
  }

  /** Attaches an object everywhere, at priorities that nobody else has; false after `detach`. */
  async #begin(old: TracerAttachment | null, before: Promise<unknown>): Promise<boolean> {
    this.#known = modulesWithTypes(modulesOf(this.#hooks));
    this.#seen = this.#known;
    for (let priorityOffset = 0; priorityOffset < PRIORITY_OFFSET_LIMIT; priorityOffset++) {
      if (priorityOffset === old?.priorityOffset && old.hooks === 'link') continue;
      const missing = new MissingCauses();
      const loaded = await this.#load(priorityOffset, old, before);
      if (loaded === null) return false;
      // From here on nothing waits: it attaches as things are when it takes over.
      const next = this.#tryOffset(loaded, priorityOffset, missing, old);
      if (next !== null) {
        this.#missing = missing;
        // Where fentry was asked for and is not to be had, it stays so.
        this.#hooks = next.hooks;
        if (this.#noSurvey !== null) missing.add(this.#noSurvey);
        this.#takeOver(old, next);
        return true;
      }
    }
    throw NO_ROOM;
  }

  #takeOver(old: TracerAttachment | null, next: TracerAttachment): void {
    this.#current = next;
    if (old === null) return;
    next.takeOver();
    this.#pastMisses = sumOfMissed(this.#pastMisses, old.missedRuns());
    old.dispose();
  }

  /** Null after `detach`. */
  async #load(
    priorityOffset: number,
    old: TracerAttachment | null,
    before: Promise<unknown>,
  ): Promise<LoadedTracer | null> {
    const successorOf = old?.loaded ?? null;
    const loaded = await loadTracer({
      ...this.#options,
      hooks: this.#hooks,
      priorityOffset,
      successorOf,
    });
    try {
      await before;
      setValue(loaded.object.map('own_port'), await this.#options.ownPort);
      if (!this.#isDetached) return loaded;
    } catch (error) {
      loaded.object.close();
      throw error;
    }
    loaded.object.close();
    return null;
  }

  /** Null when another program has one of the priorities. */
  #tryOffset(
    loaded: LoadedTracer,
    priorityOffset: number,
    missing: MissingCauses,
    old: TracerAttachment | null,
  ): TracerAttachment | null {
    const namespaces = this.#namespaces;
    let next: TracerAttachment | null = null;
    try {
      next = new TracerAttachment(loaded, priorityOffset, missing);
      if (old === null) {
        // The map is new: an object before it may have been refused its priorities.
        this.#observed.forget();
        this.#observe(next, namespaces);
      }
      if (this.#sees === 'drops') next.see('drops', ALL_ROOM);
      const demands = this.#demands();
      for (const namespace of namespaces.values()) {
        const demand = this.#demandIn(demands, namespace);
        if (next.want(namespace, demand, this.#detail) === 'EBUSY') {
          next.dispose();
          return null;
        }
      }
      if (this.#sees !== 'drops') next.see(this.#sees, this.#room);
      return next;
    } catch (error) {
      if (next === null) loaded.object.close();
      else next.dispose();
      throw error;
    }
  }

  /** Names to the programs the namespaces to look at, when not all are observed. */
  #observe(attachment: TracerAttachment, namespaces: ReadonlyMap<number, FoundNamespace>): void {
    if (!this.#options.namespaceFiltered) return;
    this.#observed.hold(attachment.loaded.object.map('observed'), namespaces);
  }

  async #openSurvey(): Promise<void> {
    if (this.#hooks !== 'link') return;
    const { objectFile, surveyFile } = this.#options;
    try {
      const file = surveyFile ?? join(dirname(objectFile), 'hook-survey.bpf.o');
      this.#survey = await HookSurvey.open(file);
    } catch (error) {
      // Then links are attached everywhere: that costs more, and nothing is missed.
      this.#noSurvey = `which hooks have rules is not known: ${reasonOf(error)}`;
    }
  }

  #demands(): Demands {
    return this.#survey?.run() ?? null;
  }

  #demandIn(demands: Demands, { netns }: FoundNamespace): HookDemand {
    return demands === null ? UNKNOWN_DEMAND : (demands.get(netns) ?? NO_DEMAND);
  }
}

function flushed(program: Program, cpu: number): boolean {
  try {
    for (let i = 0; i < FLUSH_TRIES; i++) {
      if (program.run({ cpu }).returnValue === 0) return true;
    }
    return false;
  } catch (error) {
    // A CPU that has gone offline since has no packets under way.
    if (error instanceof BpfError && error.code === 'ENXIO') return true;
    throw error;
  }
}
