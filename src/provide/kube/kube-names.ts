import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { NameChange } from '../../name/cluster-names.js';
import { type NameFacts, type NameProvider, NO_FACTS } from '../name-provider.js';
import type { KubeReport, KubeRequest } from './kube-process.js';

const PROGRAM = fileURLToPath(new URL('kube-process.js', import.meta.url));
/** Of the process that asks, MiB. */
const HEAP_MIB = 192;
/** After so long without a word of the server, names may be of yesterday. */
export const STALE_MS = 150_000;
/** How often it is looked at whether they are. */
const STALE_CHECK_MS = 5_000;
const RESTART = { first: 1_000, most: 60_000 } as const;

export interface KubeNamesOptions extends Omit<KubeRequest, 'isAgain'> {
  /** The program that asks, compiled; the one beside this when absent. */
  readonly program?: string;
}

/** Names that the API server of Kubernetes knows, asked by a process of its own. */
export class KubeNames implements NameProvider {
  readonly name = 'kubernetes';
  readonly #options: KubeNamesOptions;
  #child: ChildProcess | null = null;
  #report: Omit<KubeReport, 'change'> = { contact: null, faults: [], leftOut: {} };
  #ended: string | null = null;
  #isAgain = false;
  #restarts = 0;
  #saidStale = false;
  #staleness: NodeJS.Timeout | null = null;
  #restart: NodeJS.Timeout | null = null;
  #isClosed = false;
  #onChange: (change: NameChange) => void = () => undefined;

  constructor(options: KubeNamesOptions) {
    this.#options = options;
  }

  get missing(): readonly string[] {
    const age = this.ageMs;
    const faults = this.#ended === null ? this.#report.faults : [this.#ended];
    return [
      ...faults.map((fault) => `names of Kubernetes: ${fault}`),
      ...(age !== null && this.isStale
        ? [`names of Kubernetes: what is known is ${Math.round(age / 1_000)} s old`]
        : []),
      ...Object.entries(this.#report.leftOut).map(
        ([resource, count]) => `names of Kubernetes: ${count} ${resource} past the limit`,
      ),
    ];
  }

  /** Milliseconds since the server spoke; null while it has not. */
  get ageMs(): number | null {
    return this.#report.contact === null ? null : Math.max(0, Date.now() - this.#report.contact);
  }

  get isStale(): boolean {
    return (this.ageMs ?? 0) > STALE_MS;
  }

  /** Names of the whole cluster, change by change. */
  follow(onChange: (change: NameChange) => void): void {
    this.#onChange = onChange;
    this.#start();
    this.#staleness = setInterval(() => this.#sayStale(), STALE_CHECK_MS);
    this.#staleness.unref();
  }

  /** What it knows goes to whoever follows. */
  read(): Promise<NameFacts> {
    return Promise.resolve(NO_FACTS);
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of [this.#staleness, this.#restart]) {
      if (timer !== null) clearTimeout(timer);
    }
    this.#child?.kill();
    this.#child = null;
  }

  #start(): void {
    if (this.#isClosed) return;
    const { kubeconfig, node, program = PROGRAM } = this.#options;
    const request: KubeRequest = { kubeconfig, node, isAgain: this.#isAgain };
    let complaint = '';
    const child = fork(program, [JSON.stringify(request)], {
      execArgv: [`--max-old-space-size=${HEAP_MIB}`],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-2_000);
    });
    child.on('message', (message) => this.#receive(message as KubeReport));
    child.on('error', (error) => {
      complaint = error.message;
    });
    child.on('exit', (status, signal) => {
      if (this.#isClosed || this.#child !== child) return;
      const why = /^\w*Error: (.*)$/mu.exec(complaint)?.[1] ?? `status ${status ?? signal}`;
      this.#ended = `the process that asks has ended: ${why}`;
      const wait = Math.min(RESTART.first * 2 ** this.#restarts, RESTART.most);
      this.#restarts += 1;
      this.#restart = setTimeout(() => this.#start(), wait * (0.5 + Math.random() / 2));
      this.#restart.unref();
    });
    child.unref();
    child.channel?.unref();
    this.#child = child;
  }

  #receive({ change, ...report }: KubeReport): void {
    this.#ended = null;
    if (report.contact !== null) this.#restarts = 0;
    this.#report = report;
    if (change !== null) {
      this.#isAgain = true;
      this.#onChange(change);
    }
    this.#sayStale();
  }

  #sayStale(): void {
    const stale = this.isStale;
    if (stale === this.#saidStale) return;
    this.#saidStale = stale;
    this.#onChange({ stale, endpoints: [], services: [] });
  }
}
