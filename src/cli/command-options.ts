import { ENCAPS } from '../lab/options.js';
import { LISTEN_OPTIONS } from './listen.js';
import { choice, type Options } from './option.js';
import { COMMON_OPTIONS, RECORD_OPTIONS } from './options.js';

export interface CommandOptions<T extends Options = Options> {
  readonly options: T;
  /** What its arguments without a name are. */
  readonly takes: 'filter' | 'file';
}

export const SERVE = {
  options: { ...LISTEN_OPTIONS, ...COMMON_OPTIONS },
  takes: 'filter',
} as const satisfies CommandOptions;

export const DEMO_OPTIONS = {
  encap: {
    type: 'string',
    takes: 'MODE',
    help: 'ipip, vxlan, wireguard or none; by default what the kernel has',
    ...choice(ENCAPS, 'BAD_ENCAP', 'an encapsulation'),
  },
  replay: {
    type: 'boolean',
    help: 'show the recording even where the kernel can be used',
    file: { type: 'boolean' },
  },
} as const satisfies Options;

export const DEMO = {
  options: { ...DEMO_OPTIONS, ...LISTEN_OPTIONS, ...COMMON_OPTIONS },
  takes: 'filter',
} as const satisfies CommandOptions;

export const TRACE = {
  options: RECORD_OPTIONS,
  takes: 'filter',
} as const satisfies CommandOptions;

export const FLOWS = TRACE;

/** Of a packet that is not there: on the command line alone. */
const SIMULATED = {
  simulate: {
    type: 'boolean',
    help: 'explain a packet that is described, rather than those that pass',
    file: null,
  },
  in: {
    type: 'string',
    takes: 'DEV',
    help: 'device that it comes in by; without it a process of the namespace sends it',
    file: null,
  },
  src: { type: 'string', takes: 'A:P', help: 'its source address and port', file: null },
  dst: { type: 'string', takes: 'B:P', help: 'its destination address and port', file: null },
  proto: {
    type: 'string',
    takes: 'PROTO',
    help: 'tcp (the default), udp, icmp or a number',
    file: null,
  },
  mark: { type: 'string', takes: 'MARK', help: 'its mark, 0 by default', file: null },
} as const satisfies Options;

export const EXPLAIN = {
  options: { ...SIMULATED, ...RECORD_OPTIONS },
  takes: 'filter',
} as const satisfies CommandOptions;

export const RECORD = {
  options: COMMON_OPTIONS,
  takes: 'file',
} as const satisfies CommandOptions;

export const REPLAY = {
  options: {
    flows: {
      type: 'boolean',
      help: 'flows at their end (the default)',
      file: { type: 'boolean' },
    },
    paths: {
      type: 'boolean',
      help: 'one block per packet, as hopscope trace',
      file: { type: 'boolean' },
    },
    serve: {
      type: 'boolean',
      help: 'a dashboard that shows it at the pace it was recorded, again and again',
      file: { type: 'boolean' },
    },
    ...LISTEN_OPTIONS,
    ...RECORD_OPTIONS,
    filter: {
      ...COMMON_OPTIONS.filter,
      help: 'only what matches EXPR, in pcap-filter(7) syntax, on any device or inside any tunnel',
    },
    // Refused with a reason; in a file it is for commands that ask the kernel.
    netns: { ...COMMON_OPTIONS.netns, help: '', file: null },
    names: { ...COMMON_OPTIONS.names, help: '', file: null },
    cri: { ...COMMON_OPTIONS.cri, help: '', file: null },
    docker: { ...COMMON_OPTIONS.docker, help: '', file: null },
    kubernetes: { ...COMMON_OPTIONS.kubernetes, help: '', file: null },
    'node-name': { ...COMMON_OPTIONS['node-name'], help: '', file: null },
    sample: {
      ...COMMON_OPTIONS.sample,
      takes: '1/N',
      help: 'of the packets that --paths prints, one in N',
    },
    'cpu-budget': { ...COMMON_OPTIONS['cpu-budget'], help: '' },
    memory: {
      ...COMMON_OPTIONS.memory,
      help: 'resident memory of all its processes: 512M (the default), 1G',
    },
  },
  takes: 'file',
} as const satisfies CommandOptions;

/** Every command that takes a configuration file, by its name. */
export const COMMANDS = {
  serve: SERVE,
  flows: FLOWS,
  trace: TRACE,
  explain: EXPLAIN,
  demo: DEMO,
  record: RECORD,
  replay: REPLAY,
} as const satisfies Readonly<Record<string, CommandOptions>>;
