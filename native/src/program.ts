/** One program of an object. */
import { addon, type NativeObject } from './addon.js';
import { checkBoolean, checkBytes, checkInteger, checkName, checkString } from './argument.js';
import { badArgument } from './error.js';
import {
  ATTACH_TYPES,
  type AttachTypeName,
  PROGRAM_TYPES,
  type ProgramTypeName,
} from './kernel-names.js';
import { Link } from './link.js';

/** enum nf_inet_hooks of include/uapi/linux/netfilter.h. */
const NETFILTER_HOOKS = {
  prerouting: 0,
  input: 1,
  forward: 2,
  output: 3,
  postrouting: 4,
} as const;
export type NetfilterHook = keyof typeof NETFILTER_HOOKS;

/** NFPROTO_IPV4 and NFPROTO_IPV6 of include/uapi/linux/netfilter.h. */
const NETFILTER_FAMILIES = { ipv4: 2, ipv6: 10 } as const;
export type NetfilterFamily = keyof typeof NETFILTER_FAMILIES;

const NETFILTER_IP_DEFRAG = 1;
/** NF_IP_PRI_FIRST and NF_IP_PRI_LAST are INT_MIN and INT_MAX; the kernel refuses both. */
const PRIORITY_MIN = -(2 ** 31) + 1;
const PRIORITY_MAX = 2 ** 31 - 2;

const TCX_DIRECTIONS = {
  ingress: ATTACH_TYPES.tcx_ingress,
  egress: ATTACH_TYPES.tcx_egress,
} as const;
/** BPF_F_BEFORE and BPF_F_AFTER without a relative link: first and last of all. */
const TCX_POSITIONS = { first: 1 << 3, last: 1 << 4 } as const;

/** Whether the link header comes with it. */
const PACKET_STARTS = { link: true, network: false } as const;

export interface NetfilterOptions {
  readonly family: NetfilterFamily;
  readonly hook: NetfilterHook;
  /** As in nftables: lower runs earlier; the tables stand at -300, -150, -100, 0, 50, 100. */
  readonly priority: number;
  /** Reassemble fragments first; needs a priority above -400 (conntrack's defragmentation). */
  readonly defrag?: boolean;
  /** Path of the network namespace, such as `/run/netns/x`; the caller's own when absent. */
  readonly netns?: string;
}

export interface TcxOptions {
  readonly ifindex: number;
  readonly direction: 'ingress' | 'egress';
  /** Among the programs already on the device; `last` when absent. */
  readonly position?: 'first' | 'last';
  /** Path of the network namespace of the device; the caller's own when absent. */
  readonly netns?: string;
}

export interface PacketOptions {
  readonly ifindex: number;
  /**
   * Whether the program also sees what the device sends, for which the kernel clones
   * every packet; PACKET_IGNORE_OUTGOING (Linux 4.20) when false or absent.
   */
  readonly outgoing?: boolean;
  /** Where the packet begins that the program sees; `link` when absent. */
  readonly start?: 'link' | 'network';
  /** Path of the network namespace of the device; the caller's own when absent. */
  readonly netns?: string;
}

/** What the kernel reports of a loaded program. */
export interface ProgramInfo {
  readonly id: number;
  /** 16 hexadecimal digits, a hash of the instructions. */
  readonly tag: string;
  /** enum bpf_prog_type. */
  readonly type: number;
  readonly name: string;
  /** When it was loaded: CLOCK_BOOTTIME, ns. */
  readonly loadTimeNs: bigint;
  /** ns spent in the program while statistics were on (`enableStats`). */
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
  /** Runs that the kernel left out because the program was already on this CPU. */
  readonly recursionMisses: bigint;
  readonly verifiedInstructions: number;
  readonly translatedBytes: number;
  readonly jitedBytes: number;
}

export interface RunOptions {
  /** The packet, for program types that take one; at least an Ethernet header. */
  readonly data?: Uint8Array;
  /** The context, as the program's type has it. */
  readonly context?: Uint8Array;
  /** Runs; once when absent or 0. Some program types take no other. */
  readonly repeat?: number;
  /**
   * Runs on this CPU, in an interrupt there, for raw tracepoint programs
   * (BPF_F_TEST_RUN_ON_CPU, Linux 5.10). ENXIO: no such CPU, or it is offline.
   */
  readonly cpu?: number;
  /**
   * Path of the network namespace of the thread that runs it; the caller's own when
   * absent. Excludes `cpu`, where the current task is whichever is interrupted.
   */
  readonly netns?: string;
}

export interface RunResult {
  /** u32. */
  readonly returnValue: number;
  /** Mean of a run, ns. */
  readonly durationNs: number;
  /** The packet afterwards; empty when none was given. */
  readonly data: Uint8Array;
  /** The context afterwards, for programs of type `syscall`. */
  readonly context: Uint8Array;
}

/** Largest packet or context of one run, bytes. */
export const RUN_INPUT_MAX = 2 ** 20;

/** What a Program needs of the object it belongs to. */
export interface ProgramOwner {
  /** The open handle; throws BPF_CLOSED. */
  handle(operation: string): NativeObject;
  /** Throws BPF_LOADED after load. */
  unloaded(operation: string): NativeObject;
}

function optionalPath(operation: string, value: unknown): string | null {
  return value === undefined ? null : checkString(operation, 'netns', value);
}

export class Program {
  readonly name: string;
  readonly section: string;
  readonly #owner: ProgramOwner;
  readonly #index: number;

  /** @internal */
  constructor(owner: ProgramOwner, index: number, name: string, section: string) {
    this.#owner = owner;
    this.#index = index;
    this.name = name;
    this.section = section;
  }

  /** Whether `load()` loads it; true at first unless the section begins with `?`. */
  setAutoload(on: boolean): void {
    const handle = this.#owner.unloaded('setAutoload');
    addon.programSetAutoload(handle, this.#index, checkBoolean('setAutoload', 'on', on));
  }

  /** Overrides what the section's name says. Before load only. */
  setType(type: ProgramTypeName, expectedAttachType: AttachTypeName = 'none'): void {
    const handle = this.#owner.unloaded('setType');
    addon.programSetType(
      handle,
      this.#index,
      checkName('setType', 'type', PROGRAM_TYPES, type),
      checkName('setType', 'expectedAttachType', ATTACH_TYPES, expectedAttachType),
    );
  }

  /**
   * Chooses the kernel function or tracepoint of a `tp_btf`, `fentry` or `fexit`
   * program, whatever its section says. Before load only. ESRCH or ENOENT: the
   * kernel has none of that name.
   */
  setAttachTarget(name: string): void {
    const handle = this.#owner.unloaded('setAttachTarget');
    const target = checkString('setAttachTarget', 'name', name, 256);
    addon.programSetAttachTarget(handle, this.#index, target);
  }

  /** Attaches to `category:name`, such as `sock:inet_sock_set_state`. */
  attachTracepoint(category: string, name: string): Link {
    const handle = this.#owner.handle('attachTracepoint');
    checkTracepointPart('category', category);
    checkTracepointPart('name', name);
    return new Link('tracepoint', addon.attachTracepoint(handle, this.#index, category, name));
  }

  attachRawTracepoint(name: string): Link {
    const handle = this.#owner.handle('attachRawTracepoint');
    const checked = checkString('attachRawTracepoint', 'name', name, 256);
    return new Link('raw_tracepoint', addon.attachRawTracepoint(handle, this.#index, checked));
  }

  /** Attaches a `tp_btf`, `fentry` or `fexit` program to the target it was loaded for. */
  attachBtf(): Link {
    const handle = this.#owner.handle('attachBtf');
    return new Link('btf', addon.attachTrace(handle, this.#index));
  }

  /**
   * Attaches to a netfilter hook (Linux 6.4) of a network namespace. The calling
   * thread stays in its namespace.
   */
  attachNetfilter(options: NetfilterOptions): Link {
    const operation = 'attachNetfilter';
    const handle = this.#owner.handle(operation);
    if (typeof options !== 'object' || options === null) {
      throw badArgument(operation, 'options must be an object');
    }
    const family = checkName(operation, 'family', NETFILTER_FAMILIES, options.family);
    const hook = checkName(operation, 'hook', NETFILTER_HOOKS, options.hook);
    const priority = checkInteger(
      operation,
      'priority',
      options.priority,
      PRIORITY_MIN,
      PRIORITY_MAX,
    );
    const defrag = checkBoolean(operation, 'defrag', options.defrag ?? false);
    const netns = optionalPath(operation, options.netns);
    const flags = defrag ? NETFILTER_IP_DEFRAG : 0;
    return new Link(
      'netfilter',
      addon.attachNetfilter(handle, this.#index, family, hook, priority, flags, netns),
    );
  }

  /**
   * Attaches to a device's tcx hook (Linux 6.6). The calling thread stays in its namespace,
   * and waits for a grace period of the kernel's, some 25 ms: see `attachTcxAsync`.
   */
  attachTcx(options: TcxOptions): Link {
    return new Link('tcx', addon.attachTcx(...this.#tcxArguments(options)));
  }

  /**
   * The same on another thread. The object may be closed meanwhile: the link is made all
   * the same. The kernel makes one such link at a time, whoever asks.
   */
  async attachTcxAsync(options: TcxOptions): Promise<Link> {
    const link = addon.attachTcxAsync(...this.#tcxArguments(options));
    return new Link('tcx', await link);
  }

  /**
   * Runs a `socket_filter` program on what a device receives and, if asked, sends, on
   * any kernel: as the filter of a packet socket that nobody reads. Let it return 0, so
   * that nothing is queued. `skb->pkt_type` is 4 (PACKET_OUTGOING) for what is sent.
   * The Link has no `info()`.
   */
  attachPacket(options: PacketOptions): Link {
    const operation = 'attachPacket';
    const handle = this.#owner.handle(operation);
    if (typeof options !== 'object' || options === null) {
      throw badArgument(operation, 'options must be an object');
    }
    const ifindex = checkInteger(operation, 'ifindex', options.ifindex, 1, 2 ** 31 - 1);
    const outgoing = checkBoolean(operation, 'outgoing', options.outgoing ?? false);
    const linkHeader = checkName(operation, 'start', PACKET_STARTS, options.start ?? 'link');
    const netns = optionalPath(operation, options.netns);
    return new Link(
      'packet',
      addon.attachPacket(handle, this.#index, ifindex, outgoing, linkHeader, netns),
    );
  }

  /**
   * Takes the place of the program of a `tcx` or `netfilter` link, of the same type:
   * every packet meets one of the two (BPF_LINK_UPDATE). ENOLINK: the device is gone.
   * EINVAL: no such link, or, with this kernel, not one that can be updated.
   */
  replaceIn(link: Link): void {
    const handle = this.#owner.handle('replaceIn');
    if (!(link instanceof Link)) throw badArgument('replaceIn', 'link must be a Link');
    addon.linkUpdate(link.nativeHandle('replaceIn'), handle, this.#index);
  }

  /**
   * Runs the program once, or several times, on what it is given (BPF_PROG_TEST_RUN).
   * ENOTSUPP: not possible with this type of program.
   */
  run(options: RunOptions = {}): RunResult {
    const handle = this.#owner.handle('run');
    const input = (what: string, bytes: Uint8Array | undefined): Uint8Array | null => {
      if (bytes === undefined) return null;
      if (checkBytes('run', what, bytes).length > RUN_INPUT_MAX) {
        throw badArgument('run', `${what} has more than ${RUN_INPUT_MAX} bytes`);
      }
      return bytes;
    };
    const data = input('data', options.data);
    const context = input('context', options.context);
    const repeat = checkInteger('run', 'repeat', options.repeat ?? 0, 0, 2 ** 31 - 1);
    const cpu =
      options.cpu === undefined ? null : checkInteger('run', 'cpu', options.cpu, 0, 2 ** 31 - 1);
    const netns = optionalPath('run', options.netns);
    if (cpu !== null && netns !== null) {
      throw badArgument('run', 'cpu and netns exclude each other');
    }
    return addon.programRun(handle, this.#index, data, context, repeat, cpu, netns);
  }

  #tcxArguments(options: TcxOptions): Parameters<typeof addon.attachTcx> {
    const operation = 'attachTcx';
    const handle = this.#owner.handle(operation);
    if (typeof options !== 'object' || options === null) {
      throw badArgument(operation, 'options must be an object');
    }
    const ifindex = checkInteger(operation, 'ifindex', options.ifindex, 1, 2 ** 31 - 1);
    const attachType = checkName(operation, 'direction', TCX_DIRECTIONS, options.direction);
    const position = checkName(operation, 'position', TCX_POSITIONS, options.position ?? 'last');
    const netns = optionalPath(operation, options.netns);
    return [handle, this.#index, ifindex, attachType, position, netns];
  }

  /** Its descriptor, for `sendDescriptors`: it stays the program's. After load only. */
  descriptor(): number {
    return addon.programDescriptor(this.#owner.handle('descriptor'), this.#index);
  }

  info(): ProgramInfo {
    return addon.programInfo(this.#owner.handle('info'), this.#index);
  }
}

/**
 * Runs a program of type `syscall` of another process, whose descriptor that process has handed
 * over. It needs no privilege from Linux 5.19 on (commit c8644cd0efe7).
 *
 * @param context as the program takes it; it is written to
 * @returns what the program returned, u32
 * @throws BpfError `BPF_BAD_ARGUMENT`; `EBADF`, `EINVAL` when it is no program; `EPERM` before
 */
export function runDescriptor(descriptor: number, context: Uint8Array): number {
  const checked = checkInteger('run', 'descriptor', descriptor, 0, 2 ** 31 - 1);
  if (checkBytes('run', 'context', context).length > RUN_INPUT_MAX) {
    throw badArgument('run', `context has more than ${RUN_INPUT_MAX} bytes`);
  }
  return addon.runDescriptor(checked, context);
}

/** Tracepoint names become part of a path: letters, digits and underscores only. */
function checkTracepointPart(what: string, value: unknown): void {
  const text = checkString('attachTracepoint', what, value, 256);
  if (!/^[A-Za-z0-9_-]+$/.test(text)) {
    throw badArgument('attachTracepoint', `${what} must be a tracepoint's ${what}`);
  }
}
