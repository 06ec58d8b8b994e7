import { setTimeout as delay } from 'node:timers/promises';
import type { PathRecord } from 'hopscope-protocol';
import { ObservingCommand } from './observing-command.js';

/** Probes whose paths are kept: no search sends more. */
export const PATHS_LIMIT = 256;
const LOOK_MS = 20;
const ECHO_TYPES: ReadonlySet<number | undefined> = new Set([8, 128]);
/** Probes and ICMP errors, and nothing of them is left out inside tunnels. */
const TRACED = 'icmp or icmp6';

/** Paths of the probes of one identifier, as `hopscope trace` shows them. */
export class ProbeTrace {
  readonly #identifier: number;
  readonly #paths = new Map<number, PathRecord>();
  #command: ObservingCommand | null = null;

  private constructor(identifier: number) {
    this.#identifier = identifier;
  }

  /**
   * Begins, and waits until every program is attached.
   *
   * @param options further options of `hopscope trace`
   * @throws as ObservingCommand
   */
  static async start(options: readonly string[], identifier: number): Promise<ProbeTrace> {
    const trace = new ProbeTrace(identifier);
    const command = ['trace', '--sample', 'all', '--filter', TRACED, ...options];
    trace.#command = await ObservingCommand.start(command, (record) => trace.#take(record));
    return trace;
  }

  /** What the trace has of a probe; null where it has nothing within the time. */
  async pathOf(sequence: number, waitMs: number): Promise<PathRecord | null> {
    const end = Date.now() + waitMs;
    for (;;) {
      const path = this.#paths.get(sequence);
      if (path !== undefined || Date.now() >= end) return path ?? null;
      await delay(LOOK_MS);
    }
  }

  async stop(): Promise<void> {
    await this.#command?.stop();
  }

  #take(record: unknown): void {
    const path = record as PathRecord;
    const icmp = path.hops[0]?.tuple?.icmp;
    if (icmp?.id !== this.#identifier || !ECHO_TYPES.has(icmp.type)) return;
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
}
