import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { socketPair } from 'ebpf-ts';

/** File descriptors of the process that joins. */
export const JOINER_CHANNEL = 3;
export const JOINER_DESCRIPTORS = 4;

export interface Ending {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The process that parses, joins and serves; it writes to this one's output. */
export class JoinerProcess {
  readonly socket: Duplex;
  /** This end of the socket that descriptors cross. */
  readonly descriptors: number;
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;

  /**
   * @param program the compiled program of the process
   * @param args of it
   */
  constructor(program: string, args: readonly string[]) {
    const [near, far] = socketPair();
    this.descriptors = near;
    this.#child = spawn(process.execPath, [...process.execArgv, program, ...args], {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe', far],
    });
    closeSync(far);
    this.socket = this.#child.stdio[JOINER_CHANNEL] as Duplex;
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', (status, signal) => resolve({ status, signal }));
    });
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
