import { readFileSync } from 'node:fs';
import { BpfError, type BpfMap, BpfObject, probeProgramType } from 'ebpf-ts';
import type { KernelFilter } from '../filter/kernel-program.js';
import { UnsupportedError } from '../model/errors.js';
import {
  FUNCTION_PROGRAMS,
  type FunctionProgram,
  type HookInstrument,
  hookPriorities,
  isIndispensable,
  LINK_PROGRAM_NAMES,
  LINK_WORK_MAP,
  LINK_WORK_PROGRAM,
} from './hook-programs.js';
import { KernelTypes } from './kernel-types.js';
import { NamespaceWatcher } from './namespace-watcher.js';
import { replaceFunction } from './object-function.js';
import type { WindowRoom } from './tracing-gate.js';

/** Size of the ring where nothing else is said, bytes. */
export const RING_BYTES = 32 << 20;
/** What an object that takes over goes on with: one ring, one count of what is lost. */
export const KEPT_MAPS = [
  'events',
  'counters',
  'observed',
  'seeing',
  'slots',
  'taken',
  'devices',
  'own_port',
  'marks',
  'buffers',
  'known_flows',
  'kept',
] as const;
export type KeptMap = (typeof KEPT_MAPS)[number];
const NO_HOOKS =
  'netfilter hooks are not seen: the kernel has neither links (Linux 6.4) nor fentry';
const NO_STEPS = 'of a netfilter hook only begin and end are seen';

export interface TracerOptions {
  /** The compiled tracer, dist/bpf/tracer.bpf.o. */
  readonly objectFile: string;
  /** The compiled survey of hooks, dist/bpf/hook-survey.bpf.o; beside the tracer when absent. */
  readonly surveyFile?: string | undefined;
  /**
   * Port whose loopback traffic is left out; 0 for none. One that is known only later is
   * waited for when all is loaded, before anything is attached.
   */
  readonly ownPort: number | Promise<number>;
  /** Whether only the namespaces given to `update` are observed. */
  readonly namespaceFiltered: boolean;
  /** What sees netfilter hooks; the best this kernel has when absent. */
  readonly hooks?: HookInstrument | undefined;
  /** Bytes that the kernel may be ahead of the daemon, a power of two; RING_BYTES when absent. */
  readonly ringBytes?: number | undefined;
  /** See `TracingGate.open`, from the first packet on; all of it when absent. */
  readonly room?: WindowRoom | undefined;
  /** Of how many packets one is traced; all when absent. */
  readonly oneIn?: number | undefined;
  /** Whether `new-flows` is to be seen at times; no when absent. */
  readonly followsFlows?: boolean | undefined;
  /** Which packets are worth a record; all when absent. */
  readonly filter?: KernelFilter | undefined;
}

/** A loaded object, attached to nothing yet. */
export interface LoadedTracer {
  readonly object: BpfObject;
  /** How many objects were before it: of those that share maps one sees, see `seeing` in bpf/maps.h. */
  readonly generation: number;
  /** The function programs it was loaded with. */
  readonly functions: readonly FunctionProgram[];
  /** What sees netfilter hooks with it. */
  readonly hooks: HookInstrument;
  /** What it cannot see of them, in words. */
  readonly missing: readonly string[];
}

export interface LoadOptions extends TracerOptions {
  readonly hooks: HookInstrument;
  /** Offset of the links from priorities that another observer has. */
  readonly priorityOffset: number;
  /** Whose maps it goes on with; it sees nothing until it takes over. */
  readonly successorOf: LoadedTracer | null;
}

/**
 * Loads the object with what this kernel takes of it, on another thread: the verifier
 * takes some 200 ms.
 * Errors: UnsupportedError `KERNEL_NOT_PERMITTED`, `KERNEL_NOT_SUPPORTED`.
 */
export async function loadTracer(options: LoadOptions): Promise<LoadedTracer> {
  const { hooks } = options;
  const generation = generationOf(options);
  if (hooks === 'link') {
    return { object: await loadWith([], options), generation, functions: [], hooks, missing: [] };
  }
  const wanted = hooks === 'fentry' ? functionsHere() : [];
  let reason = wanted.length > 0 ? '' : 'the kernel has no function to attach to';
  // A function may take other arguments on another kernel, and then none would load.
  for (const functions of [wanted, wanted.filter(isIndispensable)]) {
    if (functions.length > 0) {
      try {
        const object = await loadWith(functions, options);
        const missing = functions === wanted ? [] : [noSteps(reason)];
        return { object, generation, functions, hooks, missing };
      } catch (error) {
        reason = reasonOf(error);
      }
    }
  }
  if (options.successorOf !== null && hooks === 'fentry') {
    throw new UnsupportedError('KERNEL_NOT_SUPPORTED', `attaching anew: ${reason}`, '');
  }
  const object = await loadWith([], { ...options, hooks: 'none' });
  return { object, generation, functions: [], hooks: 'none', missing: [noHooks(reason)] };
}

/** Netfilter links where the kernel knows their programs, else the entries of functions. */
export function bestInstrument(): HookInstrument {
  return probeProgramType('netfilter', 'netfilter').available ? 'link' : 'fentry';
}

/** Says that hooks are not seen. */
export function noHooks(reason: string): string {
  return `${NO_HOOKS}: ${reason}`;
}

/** Says that the places within a hook are not distinguished. */
export function noSteps(reason: string): string {
  return `${NO_STEPS}: ${reason}`;
}

/** The first line of what an error says. */
export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}

/** The kernel's drop reasons by name. Errors: as `loadTracer`. */
export function kernelDropReasons(): Map<string, number | bigint> {
  let types: KernelTypes | null = null;
  try {
    types = new KernelTypes();
    return types.dropReasons();
  } catch (error) {
    throw unsupported(error);
  } finally {
    types?.close();
  }
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
      ? 'run as root (CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_ADMIN); hopscope doctor says more'
      : 'hopscope doctor reports what this kernel lacks',
    { cause: error },
  );
}

/** Sets an array map of one u32. */
export function setValue(map: BpfMap, value: number): void {
  map.put(new Uint8Array(4), new Uint8Array(Uint32Array.of(value).buffer));
}

function generationOf({ successorOf }: LoadOptions): number {
  return successorOf === null ? 0 : successorOf.generation + 1;
}

async function loadWith(
  functions: readonly FunctionProgram[],
  options: LoadOptions,
): Promise<BpfObject> {
  let object: BpfObject | null = null;
  try {
    object = openObject(options);
    prepare(object, functions, options);
    await object.loadAsync();
    if (options.hooks === 'link') {
      setValue(object.map(LINK_WORK_MAP), object.program(LINK_WORK_PROGRAM).descriptor());
    }
    return object;
  } catch (error) {
    object?.close();
    throw unsupported(error);
  }
}

function openObject({ objectFile, filter }: LoadOptions): BpfObject {
  if (filter === undefined) return BpfObject.open(objectFile);
  const bytes = new Uint8Array(readFileSync(objectFile));
  replaceFunction(bytes, 'filter_ethernet', filter.ethernet);
  replaceFunction(bytes, 'filter_raw', filter.raw);
  return BpfObject.open(bytes, { name: 'tracer' });
}

function prepare(
  object: BpfObject,
  functions: readonly FunctionProgram[],
  options: LoadOptions,
): void {
  const { ownPort, namespaceFiltered, priorityOffset, hooks, successorOf, filter } = options;
  const { oneIn = 1, ringBytes = RING_BYTES } = options;
  object.setMapMaxEntries('events', ringBytes);
  object.setConstant('has_own_port', ownPort === 0 ? 0 : 1);
  object.setConstant('own_netns', NamespaceWatcher.own().netns);
  object.setConstant('only_observed', namespaceFiltered ? 1 : 0);
  object.setConstant('priority_offset', priorityOffset);
  object.setConstant('generation', generationOf(options));
  object.setConstant('sample_below', oneIn === 1 ? 0 : Math.ceil(2 ** 32 / oneIn));
  object.setConstant('follows_flows', options.followsFlows === true ? 1 : 0);
  object.setConstant('filtered', filter === undefined ? 0 : 1);
  object.setConstant('observed_priorities', hookPriorities());
  for (const name of LINK_PROGRAM_NAMES) {
    object.program(name).setAutoload(hooks === 'link');
  }
  for (const { program } of functions) {
    object.program(program).setAutoload(true);
  }
  if (successorOf !== null) {
    for (const name of KEPT_MAPS) {
      object.reuseMap(name, successorOf.object.map(name));
    }
  }
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
