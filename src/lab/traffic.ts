import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { LabNotUpError } from './not-up.js';
import type { LabReporter } from './options.js';
import { LabProcessError, programEnvironment, programFile } from './process-control.js';
import { labState } from './state.js';
import { type Activity, type AgentPlan, type Expectation, trafficPlans } from './traffic-plan.js';

export interface LabTrafficOptions {
  /** Stop after this long, ms; else only when the signal says so. */
  readonly durationMs?: number;
  /** Every kind of traffic one time, then stop. */
  readonly once?: boolean;
  /** Gets the totals once a second. */
  readonly report?: LabReporter;
}

/** What became of one kind of traffic. */
export interface ActivityReport {
  readonly from: string;
  readonly name: string;
  readonly expect: Expectation;
  readonly tries: number;
  readonly answered: number;
}

export interface TrafficReport {
  readonly seconds: number;
  /** Payload bytes received by those who asked. */
  readonly bytes: number;
  readonly activities: readonly ActivityReport[];
}

const PROGRESS_MS = 1_000;
const STOP_TIMEOUT_MS = 2_000;
/** A line an agent writes is a short JSON object; anything longer is not one. */
const STDERR_LIMIT = 4_096;

/**
 * Makes the lab's traffic until the time is over, the signal aborts (both are a good
 * end) or, with `once`, everything was tried.
 *
 * @throws LabNotUpError, LabStateError
 * @throws LabProcessError when a sender ends before its time
 */
export async function labTraffic(
  options: LabTrafficOptions = {},
  signal?: AbortSignal,
): Promise<TrafficReport> {
  const state = await labState();
  if (state === null) throw new LabNotUpError();
  const started = performance.now();
  const tally = new Tally();
  const agents = trafficPlans(state, options.once ?? false).map((plan) => new Sender(plan, tally));
  const seconds = (): number => (performance.now() - started) / 1000;
  const progress = setInterval(() => options.report?.(tally.line(seconds())), PROGRESS_MS);
  try {
    const ends: Promise<unknown>[] = [Promise.all(agents.map((agent) => agent.ended))];
    if (options.once !== true) ends.push(stopCondition(options.durationMs, signal));
    else if (signal !== undefined) ends.push(stopCondition(undefined, signal));
    await Promise.race(ends);
  } finally {
    clearInterval(progress);
    await Promise.all(agents.map((agent) => agent.stop()));
  }
  return tally.report(seconds());
}

/** Whether anything went otherwise than it must. */
export function wentAsExpected(report: TrafficReport): boolean {
  return report.activities.every(
    ({ expect, tries, answered }) =>
      expect === 'either' || (expect === 'answer' ? answered === tries : answered === 0),
  );
}

function stopCondition(durationMs?: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const timer = durationMs === undefined ? undefined : setTimeout(resolve, durationMs);
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

interface Count {
  readonly from: string;
  readonly activity: Activity;
  tries: number;
  answered: number;
}

class Tally {
  readonly #counts: Count[] = [];
  #bytes = 0;

  add(from: string, activity: Activity): (answered: boolean, bytes: number) => void {
    const count: Count = { from, activity, tries: 0, answered: 0 };
    this.#counts.push(count);
    return (answered, bytes) => {
      count.tries++;
      if (answered) count.answered++;
      this.#bytes += bytes;
    };
  }

  line(seconds: number): string {
    let answered = 0;
    let silent = 0;
    const surprises: string[] = [];
    for (const { from, activity, tries, answered: heard } of this.#counts) {
      answered += heard;
      silent += tries - heard;
      const wrong =
        activity.expect === 'either' ? 0 : activity.expect === 'answer' ? tries - heard : heard;
      if (wrong > 0) surprises.push(`${from} ${activity.name} ${wrong}×`);
    }
    const mib = (this.#bytes / (1 << 20)).toFixed(1);
    const odd = surprises.length === 0 ? '' : `; not as expected: ${surprises.join(', ')}`;
    return `${seconds.toFixed(0)} s: ${answered} answered, ${silent} not, ${mib} MiB${odd}`;
  }

  report(seconds: number): TrafficReport {
    return {
      seconds,
      bytes: this.#bytes,
      activities: this.#counts.map(({ from, activity, tries, answered }) => ({
        from,
        name: activity.name,
        expect: activity.expect,
        tries,
        answered,
      })),
    };
  }
}

/** A traffic agent in its namespace. */
class Sender {
  /** Resolves when it ends of itself; rejects when it fails. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  #stopping = false;

  constructor(plan: AgentPlan, tally: Tally) {
    const report = plan.activities.map((activity) => tally.add(plan.netns, activity));
    const program = programFile('traffic-agent');
    const child = spawn(
      'ip',
      ['netns', 'exec', plan.netns, process.execPath, program, JSON.stringify(plan)],
      { stdio: ['pipe', 'pipe', 'pipe'], env: programEnvironment(), cwd: '/' },
    );
    this.#child = child;
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < STDERR_LIMIT) said += text;
    });
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const message = parseMessage(line);
      if (message !== null) report[message.activity]?.(message.answered, message.bytes);
    });
    this.ended = new Promise((resolve, reject) => {
      const fail = (why: string): void =>
        reject(new LabProcessError('LAB_TRAFFIC_ENDED', `the sender in ${plan.netns}: ${why}`));
      child.once('error', (error) => fail(error.message));
      child.once('close', (status, by) => {
        if (this.#stopping || (plan.once && status === 0)) resolve();
        else fail(said.trim() || `it ended with ${by ?? status}`);
      });
    });
    // A failure is reported by whoever awaits `ended`; stop() only needs to know of the end.
    this.ended.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.ended.catch(() => undefined);
    clearTimeout(timer);
  }
}

interface Message {
  readonly activity: number;
  readonly answered: boolean;
  readonly bytes: number;
}

function parseMessage(line: string): Message | null {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null) return null;
    const { activity, answered, bytes } = value as Readonly<Record<string, unknown>>;
    if (typeof activity !== 'number' || typeof answered !== 'boolean') return null;
    return { activity, answered, bytes: typeof bytes === 'number' ? bytes : 0 };
  } catch {
    return null;
  }
}
