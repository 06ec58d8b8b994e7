/**
 * Makes one namespace's share of the lab's traffic; started by lab traffic as
 * `node traffic-agent.js PLAN` (JSON of AgentPlan). Says on standard output how each try
 * went and ends when its standard input does, so that it never outlives who started it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { Agent, get } from 'node:http';
import { isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';
import {
  type Activity,
  type AgentMessage,
  type AgentPlan,
  answerTimeoutMs,
} from './traffic-plan.js';

interface Outcome {
  readonly answered: boolean;
  readonly bytes: number;
}

const SILENCE: Outcome = { answered: false, bytes: 0 };
const pings = new Set<ChildProcess>();

// Written by labTraffic of this same build: its shape is known.
const plan = JSON.parse(process.argv[2] ?? '') as AgentPlan;

function report(activity: number, { answered, bytes }: Outcome): void {
  const message: AgentMessage = { activity, answered, bytes };
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function request(activity: Extract<Activity, { kind: 'http' }>, agent: Agent): Promise<Outcome> {
  return new Promise((resolve) => {
    let bytes = 0;
    const { host, port, path } = activity;
    const signal = AbortSignal.timeout(answerTimeoutMs(activity));
    const sent = get({ host, port, path, agent, signal }, (response) => {
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on('end', () => resolve({ answered: response.statusCode === 200, bytes }));
      response.on('error', () => resolve({ answered: false, bytes }));
    });
    sent.on('error', () => resolve(SILENCE));
  });
}

function echo(socket: Socket, activity: Extract<Activity, { kind: 'udp' }>): Promise<Outcome> {
  return new Promise((resolve) => {
    const finish = (outcome: Outcome): void => {
      clearTimeout(timer);
      socket.off('message', heard);
      resolve(outcome);
    };
    const heard = (message: Buffer): void => finish({ answered: true, bytes: message.length });
    const timer = setTimeout(() => finish(SILENCE), answerTimeoutMs(activity));
    socket.on('message', heard);
    socket.send(Buffer.alloc(activity.size, 0x68), activity.port, activity.host, (error) => {
      if (error !== null) finish(SILENCE);
    });
  });
}

/** One `ping` for all tries: one identifier, so one flow. */
function ping(index: number, activity: Extract<Activity, { kind: 'ping' }>): Promise<void> {
  const patience = String(Math.ceil(answerTimeoutMs(activity) / 1000));
  const count = plan.once ? ['-c', '1', '-W', patience] : ['-i', String(activity.everyMs / 1000)];
  return new Promise((resolve) => {
    const child = spawn('ping', ['-n', '-O', ...count, activity.host], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    pings.add(child);
    let heard = false;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const size = /^(\d+) bytes from/.exec(line)?.[1];
      if (size !== undefined) {
        heard = true;
        report(index, { answered: true, bytes: Number(size) });
      } else if (!plan.once && /^no answer yet|^From .* Unreachable/.test(line)) {
        report(index, SILENCE);
      }
    });
    child.once('error', () => undefined);
    child.once('close', () => {
      pings.delete(child);
      if (plan.once && !heard) report(index, SILENCE);
      resolve();
    });
  });
}

async function repeat(index: number, activity: Activity): Promise<void> {
  if (activity.kind === 'ping') return ping(index, activity);
  const tryOnce = attempts(activity);
  if (plan.once) return report(index, await tryOnce());
  let busy = false;
  const tick = async (): Promise<void> => {
    // At most one try at a time: a silent target must not pile them up.
    if (busy) return;
    busy = true;
    report(index, await tryOnce());
    busy = false;
  };
  await tick();
  setInterval(() => void tick(), activity.everyMs);
}

function attempts(activity: Exclude<Activity, { kind: 'ping' }>): () => Promise<Outcome> {
  if (activity.kind === 'udp') {
    const socket = createSocket(isIPv6(activity.host) ? 'udp6' : 'udp4');
    socket.on('error', () => undefined);
    socket.unref();
    return () => echo(socket, activity);
  }
  const agent = new Agent({ keepAlive: activity.keepAlive, maxSockets: 1 });
  return () => request(activity, agent);
}

function end(): void {
  for (const child of pings) child.kill('SIGTERM');
  process.exit(0);
}

process.once('SIGTERM', end).once('SIGINT', end);
process.stdout.on('error', end);
process.stdin.on('end', end).on('error', end).resume();
await Promise.all(plan.activities.map((activity, index) => repeat(index, activity)));
if (plan.once) end();
