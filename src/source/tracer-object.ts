import { BpfError, type BpfMap, BpfObject, probeProgramType } from 'ebpf-ts';
import { UnsupportedError } from '../model/errors.js';
import {
  FUNCTION_PROGRAMS,
  type FunctionProgram,
  type HookInstrument,
  hookPlaces,
  isIndispensable,
  LINK_PROGRAM_NAMES,
} from './hook-programs.js';
import { KernelTypes } from './kernel-types.js';
import { NamespaceWatcher } from './namespace-watcher.js';

/** Bytes the kernel may be ahead of the daemon. A power of two. */
export const RING_BYTES = 32 << 20;
/** What an object that takes over goes on with: one ring, one count of what is lost. */
export const KEPT_MAPS = ['events', 'counters', 'observed', 'slots', 'taken', 'devices'] as const;
export type KeptMap = (typeof KEPT_MAPS)[number];
const NO_HOOKS = 'netfilter hooks are not seen, for want of links (Linux 6.4) and of fentry';
const NO_STEPS = 'of a netfilter hook only begin and end are seen';

export interface TracerOptions {
  /** The compiled tracer, dist/bpf/tracer.bpf.o. */
  readonly objectFile: string;
  /** The compiled survey of hooks, dist/bpf/hook-survey.bpf.o; beside the tracer when absent. */
  readonly surveyFile?: string | undefined;
  /** Port whose loopback traffic is left out; 0 for none. */
  readonly ownPort: number;
  /** Whether only the namespaces given to `update` are observed. */
  readonly limited: boolean;
  /** What sees netfilter hooks; the best this kernel has when absent. */
  readonly hooks?: HookInstrument | undefined;
  /** Size of the ring; RING_BYTES when absent. */
  readonly ringBytes?: number | undefined;
  /** Of how many packets one is traced; all when absent. */
  readonly oneIn?: number | undefined;
}

/** A loaded object, attached to nothing yet. */
export interface LoadedTracer {
  readonly object: BpfObject;
  /** The function programs it was loaded with. */
  readonly functions: readonly FunctionProgram[];
  /** What sees netfilter hooks with it. */
  readonly hooks: HookInstrument;
  /** What it cannot see of them, in words. */
  readonly missing: readonly string[];
}

export interface LoadOptions extends TracerOptions {
  readonly hooks: HookInstrument;
  /** How far netfilter links move aside for another observer. */
  readonly shift: number;
  /** Whose maps it goes on with; it is silent until told otherwise. */
  readonly successorOf: BpfObject | null;
}

/**
 * Loads the object with what this kernel takes of it.
 * Errors: UnsupportedError `KERNEL_NOT_PERMITTED`, `KERNEL_NOT_SUPPORTED`.
 */
export function loadTracer(options: LoadOptions): LoadedTracer {
  const { hooks } = options;
  if (hooks === 'link') {
    return { object: loadWith([], options), functions: [], hooks, missing: [] };
  }
  const wanted = hooks === 'fentry' ? functionsHere() : [];
  let reason = wanted.length > 0 ? '' : 'the kernel has no function to attach to';
  // A function may take other arguments on another kernel, and then none would load.
  for (const functions of [wanted, wanted.filter(isIndispensable)]) {
    if (functions.length > 0) {
      try {
        const object = loadWith(functions, options);
        const missing = functions === wanted ? [] : [noSteps(reason)];
        return { object, functions, hooks, missing };
      } catch (error) {
        reason = reasonOf(error);
      }
    }
  }
  if (options.successorOf !== null && hooks === 'fentry') {
    throw new UnsupportedError('KERNEL_NOT_SUPPORTED', `attaching anew: ${reason}`, '');
  }
  const object = loadWith([], { ...options, hooks: 'none' });
  return { object, functions: [], hooks: 'none', missing: [noHooks(reason)] };
}

/** Netfilter links where the kernel knows their programs, else the entries of functions. */
export function bestInstrument(): HookInstrument {
  return probeProgramType('netfilter', 'netfilter').available ? 'link' : 'fentry';
}

/** Says that hooks are not seen. */
export function noHooks(reason: string): string {
  return `${NO_HOOKS}: ${reason}`;
}

/** Says that the places within a hook are not told apart. */
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
      ? 'run as root (CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_ADMIN); hopscope doctor tells more'
      : 'hopscope doctor tells what this kernel lacks',
    { cause: error },
  );
}

/** Whether programs of an object see anything: of two that are attached, one is silent. */
export function silence(silent: BpfMap, on: boolean): void {
  silent.put(new Uint8Array(4), new Uint8Array(Uint32Array.of(on ? 1 : 0).buffer));
}

function loadWith(functions: readonly FunctionProgram[], options: LoadOptions): BpfObject {
  let object: BpfObject | null = null;
  try {
    object = BpfObject.open(options.objectFile);
    prepare(object, functions, options);
    object.load();
    if (options.successorOf !== null) silence(object.map('silent'), true);
    return object;
  } catch (error) {
    object?.close();
    throw unsupported(error);
  }
}

function prepare(
  object: BpfObject,
  functions: readonly FunctionProgram[],
  { ownPort, limited, shift, hooks, successorOf, oneIn = 1, ringBytes = RING_BYTES }: LoadOptions,
): void {
  object.setMapMaxEntries('events', ringBytes);
  object.setConstant('own_port', ownPort);
  object.setConstant('own_netns', NamespaceWatcher.own());
  object.setConstant('only_observed', limited ? 1 : 0);
  object.setConstant('priority_shift', shift);
  object.setConstant('sample_below', oneIn === 1 ? 0 : Math.ceil(2 ** 32 / oneIn));
  object.setConstant('places', hookPlaces());
  for (const name of LINK_PROGRAM_NAMES) {
    object.program(name).setAutoload(hooks === 'link');
  }
  for (const { program } of functions) {
    object.program(program).setAutoload(true);
  }
  if (successorOf !== null) {
    for (const name of KEPT_MAPS) {
      object.reuseMap(name, successorOf.map(name));
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
