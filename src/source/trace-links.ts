import type { BpfObject, Link } from 'ebpf-ts';
import { type FunctionProgram, isIndispensable } from './hook-programs.js';
import { noHooks, noSteps, reasonOf, unsupported } from './tracer-object.js';

/** Drops are always on: they are few, and what goes wrong is what is looked for. */
const ALWAYS = ['on_drop'] as const;
/** Says that a packet came to its end; where it does not run, the trail waits for a flush. */
export const END_PROGRAM = 'on_consume';

/**
 * What opens and closes, in the order of opening: what ends a packet first and what begins
 * one last, so that of a packet that is seen nothing later is missed.
 */
const WINDOWED = [
  END_PROGRAM,
  'on_tcp_segment',
  'on_read',
  'on_connect',
  'on_ingress',
  'on_egress',
] as const;

/** The tracepoints of one object. */
export class TracepointLinks {
  static readonly programs: readonly string[] = [...ALWAYS, ...WINDOWED];
  readonly #object: BpfObject;
  readonly #always: Link[] = [];
  readonly #windowed: Link[] = [];

  /** Attaches what is always on. Errors: UnsupportedError. */
  constructor(object: BpfObject) {
    this.#object = object;
    for (const name of ALWAYS) this.#always.push(this.#attach(name));
  }

  open(): void {
    if (this.#windowed.length > 0) return;
    try {
      for (const name of WINDOWED) this.#windowed.push(this.#attach(name));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** All but what is always on. */
  close(): void {
    closeLinks(this.#windowed);
  }

  dispose(): void {
    this.close();
    closeLinks(this.#always);
  }

  #attach(name: string): Link {
    try {
      return this.#object.program(name).attachBtf();
    } catch (error) {
      throw unsupported(error);
    }
  }
}

/** The programs on kernel functions that stand in for netfilter links. */
export class FunctionLinks {
  readonly #object: BpfObject;
  readonly #functions: readonly FunctionProgram[];
  readonly #links: Link[] = [];
  /** What could not be attached, in words. */
  missing: readonly string[] = [];
  /** Set when one failed that hops at hooks cannot do without: then none is attached. */
  failed = false;

  constructor(object: BpfObject, functions: readonly FunctionProgram[]) {
    this.#object = object;
    this.#functions = functions;
  }

  open(): void {
    if (this.#links.length > 0 || this.failed) return;
    const missing = new Set<string>();
    for (const each of this.#functions) {
      try {
        this.#links.push(this.#object.program(each.program).attachBtf());
      } catch (error) {
        const reason = `${each.target}: ${reasonOf(error)}`;
        if (isIndispensable(each)) {
          // Half of a walk would report drops that are none.
          this.close();
          this.failed = true;
          this.missing = [noHooks(reason)];
          return;
        }
        missing.add(noSteps(reason));
      }
    }
    this.missing = [...missing];
  }

  close(): void {
    closeLinks(this.#links);
  }
}

/** Last attached, first closed. */
function closeLinks(links: Link[]): void {
  for (const link of links.splice(0).reverse()) link.close();
}
