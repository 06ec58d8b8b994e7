import type { Seen } from 'hopscope-protocol';
import { type HookDemand, type HookDetail, type HookPlace, wantedPlaces } from './hook-places.js';
import { type HookInstrument, LINK_PROGRAM_NAMES } from './hook-programs.js';
import type { MissedRuns } from './kernel-counters.js';
import type { MissingCauses } from './missing-causes.js';
import type { FoundNamespace } from './namespace-watcher.js';
import { NetfilterLinks } from './netfilter-links.js';
import { END_PROGRAM, FunctionLinks, TracepointLinks } from './trace-links.js';
import { type LoadedTracer, setValue } from './tracer-object.js';
import { TracingGate, type WindowRoom } from './tracing-gate.js';

/** One loaded object and all that it is attached to. */
export class TracerAttachment {
  readonly loaded: LoadedTracer;
  readonly priorityOffset: number;
  readonly #tracepoints: TracepointLinks;
  readonly #functions: FunctionLinks;
  readonly #netfilter: NetfilterLinks;
  readonly #gate: TracingGate;
  /** Most namespaces have the same demand, none: their places are found once. */
  readonly #places = new WeakMap<HookDemand, { detail: HookDetail; places: HookPlace[] }>();

  /** Attaches what is always on, and in no namespace yet. Errors: UnsupportedError. */
  constructor(loaded: LoadedTracer, priorityOffset: number, missing: MissingCauses) {
    this.loaded = loaded;
    this.priorityOffset = priorityOffset;
    const { object } = loaded;
    this.#functions = new FunctionLinks(object, loaded.functions);
    this.#netfilter = new NetfilterLinks(
      ({ program, family, hook, priority }: HookPlace, netns) =>
        object.program(program).attachNetfilter({ family, hook, priority, netns }),
      missing,
    );
    this.#gate = new TracingGate(object.map('tracing'));
    this.#tracepoints = new TracepointLinks(object);
  }

  get hooks(): HookInstrument {
    return this.#functions.failed ? 'none' : this.loaded.hooks;
  }

  get missing(): readonly string[] {
    return [...this.loaded.missing, ...this.#functions.missing];
  }

  /** Netfilter links attached now. */
  get links(): number {
    return this.#netfilter.size;
  }

  /** Attaches in a namespace what its demand asks for; the code of a failure, or `null`. */
  want(namespace: FoundNamespace, demand: HookDemand, detail: HookDetail): string | null {
    if (this.loaded.hooks !== 'link') return null;
    let known = this.#places.get(demand);
    if (known?.detail !== detail) {
      known = { detail, places: wantedPlaces(demand, detail, this.priorityOffset) };
      this.#places.set(demand, known);
    }
    return this.#netfilter.want(namespace, known.places);
  }

  /** Detaches from namespaces that nothing else keeps; their numbers. */
  detachGone(alive: ReadonlyMap<number, unknown>): number[] {
    return this.#netfilter.detachGone(alive);
  }

  /**
   * Attaches from the end of a packet's way to its beginning, see trace-links.ts, or detaches all
   * but drops. What sees new flows is attached as what sees all.
   *
   * @param room see `TracingGate.see`
   */
  see(sees: Seen, room: WindowRoom): void {
    if (sees === 'drops') {
      this.#close();
      return;
    }
    this.#netfilter.open();
    this.#functions.open();
    this.#tracepoints.open();
    this.#gate.see(sees, room);
  }

  #close(): void {
    this.#gate.see('drops');
    this.#tracepoints.close();
    this.#functions.close();
    this.#netfilter.close();
  }

  /** See `TracingGate.shutAt`. */
  shutAt(): bigint | null {
    return this.#gate.shutAt();
  }

  /** From now on it sees, and whoever did before, of those that share its maps, does not. */
  takeOver(): void {
    setValue(this.loaded.object.map('seeing'), this.loaded.generation);
  }

  /** Runs that the kernel left out because the program was already on that CPU. */
  missedRuns(): MissedRuns {
    const functions = this.loaded.functions.map(({ program }) => program);
    let hops = 0n;
    let ends = 0n;
    for (const name of [...TracepointLinks.programs, ...functions]) {
      const misses = this.loaded.object.program(name).info().recursionMisses;
      if (name === END_PROGRAM) ends += misses;
      else hops += misses;
    }
    return { hops, ends };
  }

  /** Time its programs have run while BPF statistics were on, ns. */
  runTime(): bigint {
    const { object, functions, hooks } = this.loaded;
    const names = [
      ...TracepointLinks.programs,
      ...functions.map(({ program }) => program),
      ...(hooks === 'link' ? LINK_PROGRAM_NAMES : []),
    ];
    return names.reduce((sum, name) => sum + object.program(name).info().runTimeNs, 0n);
  }

  detach(): void {
    this.#close();
    this.#tracepoints.dispose();
  }

  dispose(): void {
    this.detach();
    this.loaded.object.close();
  }
}
