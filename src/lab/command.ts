import { parseArgs } from 'node:util';
import { HopscopeError, UnsupportedError, UsageError } from '../model/errors.js';
import { labDown } from './down.js';
import { parseDuration } from './duration.js';
import {
  ENCAPS,
  IPTABLES_BACKENDS,
  type LabUpOptions,
  PROXIES,
  type SubnetCount,
} from './options.js';
import { policyOff, policyOn } from './policy.js';
import { type LabState, labState } from './state.js';
import { labTraffic, type TrafficReport, wentAsExpected } from './traffic.js';
import { labUp } from './up.js';

const HELP = `Usage: hopscope lab COMMAND

A cluster of two nodes, three pods and a client outside, in network namespaces.

Commands:
  up        build it (a lab that is up is removed first)
  traffic   make a steady, gentle mix of traffic until interrupted
  policy    policy on, policy off: only pods labelled role=pod1 reach app=nginx on TCP 80
  status    what is up; --json for the state as JSON
  down      remove it, with everything in it

Options of up:
  --encap ipip|vxlan|wireguard|none   how pods reach the other node
                                      (default: ipip where the kernel has it, else vxlan)
  --proxy iptables|ipvs|nftables      how services are done (default: iptables)
  --iptables nft|legacy               back end of iptables (default: nft)
  --cross-subnet                      tunnel only between subnets
  --subnets 1|2                       nodes in one subnet, or in two with a router between
  --pod-mtu BYTES                     MTU of the pods' devices (default: what the tunnel leaves)
  --policy                            with the network policy in force
  --dual-stack                        IPv6 as well
  -q, --quiet                         print nothing but errors

Options of traffic:
  --duration 10s                      stop after this time (ms, s, m or h)
  --once                              every kind one time; exit status 1 when one did not go
                                      as it must
  --json                              the totals at the end as JSON
  -q, --quiet                         no line of progress each second

Exit status: 0 done, 1 failed, 2 bad usage, 3 not permitted or not supported here.
`;

/** `hopscope lab ARGS…`; returns the exit status and throws nothing it knows. */
export async function runLab(args: string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (error) {
    if (error instanceof UsageError) {
      print(`hopscope lab: ${error.message}\nSee hopscope lab --help`);
      return 2;
    }
    if (error instanceof UnsupportedError) {
      print(`hopscope lab: ${error.message}\nRemedy: ${error.remedy}`);
      return 3;
    }
    if (error instanceof HopscopeError) {
      print(`hopscope lab: ${error.message} [${error.code}]`);
      return 1;
    }
    throw error;
  }
}

async function dispatch(args: string[]): Promise<number> {
  const [command, ...rest] = args;
  if (command === undefined) throw new UsageError('LAB_USAGE', 'no command given');
  if (command === '--help' || command === '-h' || command === 'help') return help();
  switch (command) {
    case 'up':
      return up(rest);
    case 'down':
      return down(rest);
    case 'traffic':
      return traffic(rest);
    case 'policy':
      return policy(rest);
    case 'status':
      return status(rest);
    default:
      throw new UsageError('LAB_USAGE', `no such command: ${command}`);
  }
}

async function up(args: string[]): Promise<number> {
  const values = usage(() =>
    parseArgs({
      args,
      options: {
        encap: { type: 'string' },
        proxy: { type: 'string' },
        iptables: { type: 'string' },
        'cross-subnet': { type: 'boolean' },
        subnets: { type: 'string' },
        'pod-mtu': { type: 'string' },
        policy: { type: 'boolean' },
        'dual-stack': { type: 'boolean' },
        quiet: { type: 'boolean', short: 'q' },
        help: { type: 'boolean', short: 'h' },
      },
    }),
  ).values;
  if (values.help === true) return help();
  const podMtu = values['pod-mtu'];
  const options: LabUpOptions = {
    ...(values.encap === undefined ? {} : { encap: choice('--encap', values.encap, ENCAPS) }),
    ...(values.proxy === undefined ? {} : { proxy: choice('--proxy', values.proxy, PROXIES) }),
    ...(values.iptables === undefined
      ? {}
      : { iptables: choice('--iptables', values.iptables, IPTABLES_BACKENDS) }),
    ...(podMtu === undefined ? {} : { podMtu: integer('--pod-mtu', podMtu, 68, 65535) }),
    ...(values.subnets === undefined
      ? {}
      : { subnets: integer('--subnets', values.subnets, 1, 2) as SubnetCount }),
    crossSubnet: values['cross-subnet'] ?? false,
    policy: values.policy ?? false,
    dualStack: values['dual-stack'] ?? false,
  };
  const report = values.quiet === true ? () => undefined : print;
  const started = performance.now();
  const state = await untilSignalled((signal) => labUp({ ...options, signal }, report));
  report(`${describe(state)}, in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return 0;
}

async function down(args: string[]): Promise<number> {
  const { values } = usage(() =>
    parseArgs({
      args,
      options: {
        quiet: { type: 'boolean', short: 'q' },
        help: { type: 'boolean', short: 'h' },
      },
    }),
  );
  if (values.help === true) return help();
  const removed = await labDown();
  if (values.quiet !== true) print(removed ? 'the lab is removed' : 'no lab was up');
  return 0;
}

async function traffic(args: string[]): Promise<number> {
  const { values } = usage(() =>
    parseArgs({
      args,
      options: {
        duration: { type: 'string' },
        once: { type: 'boolean' },
        json: { type: 'boolean' },
        quiet: { type: 'boolean', short: 'q' },
        help: { type: 'boolean', short: 'h' },
      },
    }),
  );
  if (values.help === true) return help();
  const { duration } = values;
  const once = values.once ?? false;
  const quiet = values.quiet ?? false;
  const report = await untilSignalled((signal) =>
    labTraffic(
      {
        once,
        ...(duration === undefined ? {} : { durationMs: parseDuration('--duration', duration) }),
        ...(quiet ? {} : { report: print }),
      },
      signal,
    ),
  );
  if (values.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
  else if (!quiet) process.stdout.write(table(report));
  return once && !wentAsExpected(report) ? 1 : 0;
}

function table(report: TrafficReport): string {
  const lines = report.activities.map(({ from, name, tries, answered, expect }) => {
    const what = `${from} → ${name}`.padEnd(40);
    return `${what} ${answered} of ${tries} answered${expect === 'silence' ? ' (none must)' : ''}`;
  });
  return `${lines.join('\n')}\n`;
}

async function policy(args: string[]): Promise<number> {
  const { values, positionals } = usage(() =>
    parseArgs({
      args,
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' } },
    }),
  );
  if (values.help === true) return help();
  const [word, ...more] = positionals;
  if (more.length > 0 || (word !== 'on' && word !== 'off')) {
    throw new UsageError('LAB_USAGE', 'policy is followed by on or off');
  }
  await (word === 'on' ? policyOn() : policyOff());
  return 0;
}

async function status(args: string[]): Promise<number> {
  const { values } = usage(() =>
    parseArgs({
      args,
      options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    }),
  );
  if (values.help === true) return help();
  const state = await labState();
  if (values.json === true) process.stdout.write(`${JSON.stringify(state)}\n`);
  else process.stdout.write(`${state === null ? 'no lab is up' : describe(state)}\n`);
  return 0;
}

function describe(state: LabState): string {
  const more = [
    state.crossSubnet ? 'cross-subnet' : null,
    state.subnets === 1 ? null : 'nodes in two subnets',
    state.podMtu === null ? null : `pod MTU ${state.podMtu}`,
    state.policy ? 'policy on' : null,
    state.dualStack ? 'dual stack' : null,
  ].filter((word) => word !== null);
  const words = [
    `encapsulation ${state.encap}`,
    `proxy ${state.proxy} (${state.iptables})`,
    ...more,
  ];
  return `the lab is up: ${words.join(', ')}`;
}

/** Runs `work` with a signal that an interrupt aborts, so that it undoes what it did. */
async function untilSignalled<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

function usage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError('LAB_USAGE', message, { cause });
  }
}

function choice<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) {
    throw new UsageError('LAB_USAGE', `${option} is ${allowed.join(', ')}; not ${value}`);
  }
  return found;
}

function integer(option: string, text: string, least: number, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new UsageError(
      'LAB_USAGE',
      `${option} is a number from ${least} to ${most}; not ${text}`,
    );
  }
  return value;
}

function help(): number {
  process.stdout.write(HELP);
  return 0;
}

function print(line: string): void {
  process.stderr.write(`${line}\n`);
}
