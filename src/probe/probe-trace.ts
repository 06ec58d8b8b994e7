import { spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { PathRecord } from 'hopscope-protocol';
import { HopscopeError, UnsupportedError } from '../model/errors.js';

/** Probes whose paths are kept: more are not sent. */
export const PATHS_LIMIT = 256;
const LOOK_MS = 20;
/** For attaching the programs. */
const READY_MS = 60_000;
const ECHO_TYPES: ReadonlySet<number | undefined> = new Set([8, 128]);

/** A line of the log of `hopscope trace`, in JSON. */
interface LogLine {
  readonly event?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly remedy?: unknown;
}

/**
 * Paths of the probes of one identifier, as `hopscope trace` shows them: a process of its own, since
 * what parses packets has no privileges.
 */
export class ProbeTrace {
  readonly #child: ReturnType<typeof spawn>;
  readonly #lines: Interface[] = [];
  readonly #identifier: number;
  readonly #paths = new Map<number, PathRecord>();
  #isReady = false;
  #error: HopscopeError | null = null;
  #ended: Promise<number | null>;

  private constructor(program: readonly string[], identifier: number) {
    const [command = '', ...args] = program;
    this.#identifier = identifier;
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    const { stdout, stderr } = child;
    if (stdout !== null) this.#read(stdout, (line) => this.#takePath(line));
    if (stderr !== null) this.#read(stderr, (line) => this.#takeLog(line));
    this.#ended = new Promise((resolve) => {
      child.once('error', () => resolve(null));
      child.once('close', resolve);
    });
  }

  /**
   * Begins, and waits until every program is attached.
   *
   * @param program command line of `hopscope trace` that writes JSON Lines, and its log in JSON
   * @throws UnsupportedError, HopscopeError as the command does; `PROBE_NOT_TRACED`
   */
  static async start(program: readonly string[], identifier: number): Promise<ProbeTrace> {
    const trace = new ProbeTrace(program, identifier);
    let isOver = false;
    void trace.#ended.then(() => {
      isOver = true;
    });
    const end = Date.now() + READY_MS;
    while (!trace.#isReady && !isOver && Date.now() < end) await pause();
    if (trace.#isReady) return trace;
    await trace.stop();
    throw trace.#error ?? new HopscopeError('PROBE_NOT_TRACED', 'hopscope trace did not begin');
  }

  /** What the trace has of a probe; null where it has nothing within the time. */
  async pathOf(sequence: number, waitMs: number): Promise<PathRecord | null> {
    const end = Date.now() + waitMs;
    for (;;) {
      const path = this.#paths.get(sequence);
      if (path !== undefined || Date.now() >= end) return path ?? null;
      await pause();
    }
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
    for (const each of this.#lines) each.close();
  }

  #read(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
    const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
    lines.on('line', take);
    this.#lines.push(lines);
  }

  #takePath(line: string): void {
    const path = parsed<PathRecord>(line);
    const icmp = path?.hops[0]?.tuple?.icmp;
    if (path === null || icmp?.id !== this.#identifier || !ECHO_TYPES.has(icmp.type)) return;
    const { seq } = icmp;
    if (seq === null || path.branch !== undefined) return;
    const known = this.#paths.get(seq);
    if (known === undefined && this.#paths.size >= PATHS_LIMIT) return;
    // Where one probe is seen as several paths, the end of it counts.
    if (
      known === undefined ||
      known.hops.length <= path.hops.length ||
      path.verdict === 'dropped'
    ) {
      this.#paths.set(seq, path);
    }
  }

  #takeLog(line: string): void {
    const said = parsed<LogLine>(line);
    if (said?.event === 'ready') this.#isReady = true;
    if (said?.event !== 'failed') return;
    const code = String(said.code ?? 'PROBE_NOT_TRACED');
    const message = String(said.message ?? line);
    this.#error =
      typeof said.remedy === 'string'
        ? new UnsupportedError(code, message, said.remedy)
        : new HopscopeError(code, message);
  }
}

function parsed<T>(line: string): T | null {
  try {
    return JSON.parse(line) as T;
  } catch {
    return null;
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}
