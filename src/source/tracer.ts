import {
  BpfError,
  type BpfMap,
  BpfObject,
  type Link,
  type NetfilterFamily,
  type NetfilterHook,
  probeProgramType,
} from 'ebpf-ts';
import { UnsupportedError } from '../model/errors.js';
import { HOOK_NAMES, OBSERVED_PRIORITIES, PRIORITY_SHIFT_LIMIT } from '../name/netfilter-table.js';
import {
  FUNCTION_PROGRAMS,
  type FunctionProgram,
  type HookInstrument,
  hookPlaces,
  isIndispensable,
  LINK_PROGRAM_NAMES,
  linkProgram,
  modulesOf,
} from './hook-programs.js';
import { onlineCpus } from './online-cpus.js';
import { KernelTypes, modulesWithTypes } from './kernel-types.js';
import { type FoundNamespace, NamespaceWatcher } from './namespace-watcher.js';

/** Bytes the kernel may be ahead of the daemon. A power of two. */
export const RING_BYTES = 32 << 20;
const NO_HOOKS = 'netfilter hooks are not seen, for want of links (Linux 6.4) and of fentry';
const NO_STEPS = 'of a netfilter hook only begin and end are seen';
const FAMILIES: readonly NetfilterFamily[] = ['ipv4', 'ipv6'];
/** What an object that takes over goes on with: one ring, one count of what is lost. */
const KEPT_MAPS = ['events', 'counters', 'observed', 'slots', 'taken', 'devices'] as const;
const FLUSH_PROGRAM = 'flush_trails';

const TRACEPOINT_PROGRAMS = [
  'on_drop',
  'on_consume',
  'on_tcp_segment',
  'on_read',
  'on_connect',
  'on_ingress',
  'on_egress',
] as const;

export interface TracerOptions {
  /** The compiled tracer, dist/bpf/tracer.bpf.o. */
  readonly objectFile: string;
  /** Port whose loopback traffic is left out; 0 for none. */
  readonly ownPort: number;
  /** Whether only the namespaces given to `observe` are observed. */
  readonly limited: boolean;
  /** What sees netfilter hooks; the best this kernel has when absent. */
  readonly hooks?: HookInstrument | undefined;
}

/** Where a netfilter link hangs, to hang another there. */
interface HookPlace {
  readonly program: string;
  readonly family: NetfilterFamily;
  readonly hook: NetfilterHook;
  readonly priority: number;
}
interface HookLink extends HookPlace {
  link: Link;
}

/**
 * The kernel side: loads the one object with what this kernel takes of it, attaches
 * it, and does so anew when a kernel module comes that it has to do with.
 */
export class Tracer {
  readonly #options: TracerOptions;
  readonly #tracepoints: Link[] = [];
  readonly #functions: Link[] = [];
  readonly #netfilter = new Map<number, HookLink[]>();
  readonly #missing = new Set<string>();
  #missingHooks: readonly string[] = [];
  #hooks: HookInstrument = 'none';
  #object: BpfObject | null = null;
  /** The function programs of the loaded object. */
  #loaded: readonly FunctionProgram[] = [];
  #shift = 0;
  /** Modules whose types the loaded object knows, and those that the last look found. */
  #known: readonly string[] = [];
  #seen: readonly string[] = [];

  constructor(options: TracerOptions) {
    this.#options = options;
  }

  /** What sees netfilter hooks here. */
  get hooks(): HookInstrument {
    return this.#hooks;
  }

  /** What it cannot see, in words. */
  get missing(): readonly string[] {
    return [...this.#missingHooks, ...this.#missing];
  }

  /** A map of the loaded object; undefined before `attach` and after `close`. */
  map(name: (typeof KEPT_MAPS)[number]): BpfMap | undefined {
    return this.#object?.map(name);
  }

  /**
   * Loads and attaches, aside from any other observer that has our priorities.
   * Errors: UnsupportedError `KERNEL_NOT_PERMITTED`, `KERNEL_NOT_SUPPORTED`,
   * `TOO_MANY_OBSERVERS`.
   */
  attach(namespaces: ReadonlyMap<number, FoundNamespace>): void {
    this.#hooks = this.#options.hooks ?? bestInstrument();
    for (let shift = 0; shift < PRIORITY_SHIFT_LIMIT; shift++) {
      this.#shift = shift;
      this.#object = this.#load(null);
      this.observe(namespaces.keys());
      if (this.#attachNamespaces(namespaces)) {
        this.#attachTracepoints(this.#object);
        this.#attachFunctions(this.#object);
        return;
      }
      this.#closeNetfilter();
      this.#object.close();
    }
    throw new UnsupportedError(
      'TOO_MANY_OBSERVERS',
      `${PRIORITY_SHIFT_LIMIT} other programs have the netfilter priorities hopscope needs`,
      'stop other hopscope processes; see: bpftool link list',
    );
  }

  /** Has every trail that is still in a slot handed to the ring, on all CPUs. */
  flush(): void {
    const program = this.#object?.program(FLUSH_PROGRAM);
    for (const cpu of onlineCpus()) {
      try {
        program?.run({ cpu });
      } catch (error) {
        // A CPU that has gone offline since has no packets under way.
        if (!(error instanceof BpfError) || error.code !== 'ENXIO') {
          throw error;
        }
      }
    }
  }

  /** Tells the programs which namespaces to speak of, when they are limited. */
  observe(inodes: Iterable<number>): void {
    if (!this.#options.limited) {
      return;
    }
    const map = this.map('observed');
    for (const inode of inodes) {
      map?.put(new Uint8Array(Uint32Array.of(inode).buffer), Uint8Array.of(1));
    }
  }

  /** Attaches in a namespace that has appeared. */
  enter(namespace: FoundNamespace): void {
    if (this.#hooks !== 'link' || this.#object === null) {
      return;
    }
    if (!this.#attachNetfilter(namespace)) {
      this.#missing.add(`netfilter in ${namespace.path}: another program has the priorities`);
    }
  }

  /** Lets go of namespaces that nothing else keeps; true when there were any. */
  leave(alive: ReadonlyMap<number, unknown>): boolean {
    let left = false;
    for (const [inode, links] of this.#netfilter) {
      if (!alive.has(inode)) {
        // A link keeps its namespace alive: let go, or its devices would stay.
        for (const { link } of links) {
          link.close();
        }
        this.#netfilter.delete(inode);
        left = true;
      }
    }
    return left;
  }

  /**
   * Looks for modules that were loaded since, and if their coming is over takes a
   * new object to the old one's ring, a link at a time: what passes just then may
   * lack a hop, and none comes twice. True when it did.
   * Errors: UnsupportedError; what was attached goes on as it was.
   */
  renew(namespaces: ReadonlyMap<number, FoundNamespace>): boolean {
    const before = this.#seen;
    this.#seen = modulesWithTypes(modulesOf(this.#hooks));
    const old = this.#object;
    const settled = this.#seen.length === before.length;
    if (old === null || !settled || this.#seen.every((module) => this.#known.includes(module))) {
      return false;
    }
    const object = this.#load(old);
    this.#object = object;
    closeAll(this.#tracepoints);
    this.#attachTracepoints(object);
    for (const [inode, links] of this.#netfilter) {
      const namespace = namespaces.get(inode);
      if (namespace !== undefined) {
        this.#replaceLinks(links, namespace);
      }
    }
    closeAll(this.#functions);
    this.#attachFunctions(object);
    old.close();
    return true;
  }

  /** Detaches everything; the maps stay until `close`. */
  detach(): void {
    closeAll(this.#tracepoints);
    closeAll(this.#functions);
    this.#closeNetfilter();
  }

  close(): void {
    this.detach();
    this.#object?.close();
    this.#object = null;
  }

  /** The object with what this kernel takes of it, on the maps of `old` when there is one. */
  #load(old: BpfObject | null): BpfObject {
    this.#known = modulesWithTypes(modulesOf(this.#hooks));
    this.#seen = this.#known;
    if (this.#hooks === 'link') {
      return this.#loadWith([], old);
    }
    const wanted = this.#hooks === 'fentry' ? functionsHere() : [];
    let reason = wanted.length > 0 ? '' : 'the kernel has no function to attach to';
    // A function may take other arguments on another kernel, and then none would load.
    for (const functions of [wanted, wanted.filter(isIndispensable)]) {
      if (functions.length > 0) {
        try {
          const object = this.#loadWith(functions, old);
          this.#missingHooks = functions === wanted ? [] : [`${NO_STEPS}: ${reason}`];
          return object;
        } catch (error) {
          reason = reasonOf(error);
        }
      }
    }
    if (old !== null) {
      throw new UnsupportedError('KERNEL_NOT_SUPPORTED', `attaching anew: ${reason}`, '');
    }
    this.#hooks = 'none';
    this.#missingHooks = [`${NO_HOOKS}: ${reason}`];
    return this.#loadWith([], old);
  }

  #loadWith(functions: readonly FunctionProgram[], old: BpfObject | null): BpfObject {
    let object: BpfObject | null = null;
    try {
      object = BpfObject.open(this.#options.objectFile);
      this.#prepare(object, functions, old);
      object.load();
      this.#loaded = functions;
      return object;
    } catch (error) {
      object?.close();
      throw unsupported(error);
    }
  }

  #prepare(object: BpfObject, functions: readonly FunctionProgram[], old: BpfObject | null): void {
    object.setMapMaxEntries('events', RING_BYTES);
    object.setConstant('own_port', this.#options.ownPort);
    object.setConstant('own_netns', NamespaceWatcher.own());
    object.setConstant('only_observed', this.#options.limited ? 1 : 0);
    object.setConstant('priority_shift', this.#shift);
    object.setConstant('places', hookPlaces());
    for (const name of LINK_PROGRAM_NAMES) {
      object.program(name).setAutoload(this.#hooks === 'link');
    }
    for (const { program } of functions) {
      object.program(program).setAutoload(true);
    }
    if (old !== null) {
      for (const name of KEPT_MAPS) {
        object.reuseMap(name, old.map(name));
      }
    }
  }

  #attachTracepoints(object: BpfObject): void {
    for (const name of TRACEPOINT_PROGRAMS) {
      try {
        this.#tracepoints.push(object.program(name).attachBtf());
      } catch (error) {
        throw unsupported(error);
      }
    }
  }

  #attachFunctions(object: BpfObject): void {
    for (const each of this.#loaded) {
      try {
        this.#functions.push(object.program(each.program).attachBtf());
      } catch (error) {
        const reason = `${each.target}: ${reasonOf(error)}`;
        if (isIndispensable(each)) {
          // Half of a walk would tell of drops that are none.
          closeAll(this.#functions);
          this.#hooks = 'none';
          this.#missingHooks = [`${NO_HOOKS}: ${reason}`];
          return;
        }
        this.#missing.add(`${NO_STEPS}: ${reason}`);
      }
    }
  }

  /** False when another program has one of the priorities. */
  #attachNamespaces(namespaces: ReadonlyMap<number, FoundNamespace>): boolean {
    return (
      this.#hooks !== 'link' ||
      [...namespaces.values()].every((namespace) => this.#attachNetfilter(namespace))
    );
  }

  /** False when another program has one of the priorities. */
  #attachNetfilter(namespace: FoundNamespace): boolean {
    const links: HookLink[] = [];
    this.#netfilter.set(namespace.inode, links);
    for (const hook of HOOK_NAMES) {
      for (const place of OBSERVED_PRIORITIES[hook]) {
        const program = linkProgram(place.priority);
        const priority = place.priority + this.#shift * place.aside;
        for (const family of FAMILIES) {
          const where = { program, family, hook, priority };
          try {
            links.push({ ...where, link: this.#attachLink(where, namespace.path) });
          } catch (error) {
            if (!(error instanceof BpfError)) {
              throw error;
            }
            if (error.code === 'EBUSY') {
              return false;
            }
            // A namespace may go while it is attached to; the next scan tidies up.
            if (error.code !== 'ENOENT') {
              this.#missing.add(`netfilter ${hook} (${family}): ${error.code}`);
            }
            return true;
          }
        }
      }
    }
    return true;
  }

  #attachLink({ program, family, hook, priority }: HookPlace, netns: string): Link {
    if (this.#object === null) {
      throw new RangeError('nothing is loaded');
    }
    return this.#object.program(program).attachNetfilter({ family, hook, priority, netns });
  }

  /** One link after another gives way to its successor in the same place. */
  #replaceLinks(links: HookLink[], namespace: FoundNamespace): void {
    for (const each of links) {
      each.link.close();
      try {
        each.link = this.#attachLink(each, namespace.path);
      } catch (error) {
        // A namespace may go while it is attached to; the next scan tidies up.
        this.#missing.add(`netfilter ${each.hook} (${each.family}): ${reasonOf(error)}`);
      }
    }
  }

  #closeNetfilter(): void {
    for (const links of this.#netfilter.values()) {
      for (const { link } of links) {
        link.close();
      }
    }
    this.#netfilter.clear();
  }
}

/** Netfilter links where the kernel knows their programs, else the entries of functions. */
function bestInstrument(): HookInstrument {
  return probeProgramType('netfilter', 'netfilter').available ? 'link' : 'fentry';
}

/** The function programs whose function this kernel has, now. */
function functionsHere(): readonly FunctionProgram[] {
  const types = new KernelTypes();
  try {
    const here = FUNCTION_PROGRAMS.filter(({ target, module }) =>
      types.hasFunction(target, module),
    );
    return here.some(isIndispensable) ? here : [];
  } finally {
    types.close();
  }
}

function closeAll(links: Link[]): void {
  for (const link of links.splice(0)) {
    link.close();
  }
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}

/** What a failure of the kernel means for a command; throws what is none. */
export function unsupported(error: unknown): UnsupportedError {
  if (!(error instanceof BpfError)) {
    throw error;
  }
  const denied = error.code === 'EPERM' || error.code === 'EACCES';
  return new UnsupportedError(
    denied ? 'KERNEL_NOT_PERMITTED' : 'KERNEL_NOT_SUPPORTED',
    `${error.operation}: ${error.message}`,
    denied
      ? 'run as root (CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_ADMIN); hopscope doctor tells more'
      : 'hopscope doctor tells what this kernel lacks',
    { cause: error },
  );
}
