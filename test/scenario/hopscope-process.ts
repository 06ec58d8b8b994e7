import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFailed } from 'vitest';

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Two Nodes start; under emulation that takes ten times as long. */
const READY_LIMIT_MS = 90_000;

/** A hopscope command that runs until it is stopped. */
export class HopscopeProcess {
  readonly child: ChildProcess;
  /** Milliseconds from the start of the process to its word `ready`. */
  readyAfterMs = 0;
  out = '';
  err = '';
  readonly #started = performance.now();
  readonly #closed: Promise<unknown>;

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.err += text;
    });
    this.#closed = once(this.child, 'close');
    endWhenTestFails(this.child);
  }

  static async ready(args: readonly string[]): Promise<HopscopeProcess> {
    const started = new HopscopeProcess(args);
    await started.untilReady();
    return started;
  }

  /** Resolves at the word `ready`; when it ends instead, rejects with what it said. */
  async untilReady(): Promise<void> {
    const { child } = this;
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => {
        child.kill('SIGKILL');
        reject(new Error(`hopscope ${child.spawnargs.slice(2).join(' ')} ${why}:\n${this.err}`));
      };
      const timer = setTimeout(() => fail('was not ready in time'), READY_LIMIT_MS);
      child.once('exit', (status) => fail(`ended with status ${status}`));
      child.stderr?.on('data', () => {
        if (!/^ready$/m.test(this.err)) return;
        clearTimeout(timer);
        child.removeAllListeners('exit');
        resolve();
      });
    });
    this.readyAfterMs = performance.now() - this.#started;
  }

  /** Asks it to end, and returns its exit status once all it wrote was read. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal);
    return this.ended();
  }

  async ended(): Promise<number | null> {
    await this.#closed;
    return this.child.exitCode;
  }

  /** What it printed with `--json`, one record a line. */
  records<T>(): T[] {
    return this.out
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as T);
  }
}

/** Left by a test that fails it would be seen by those that come after. */
function endWhenTestFails(child: ChildProcess): void {
  try {
    onTestFailed(() => {
      child.kill('SIGKILL');
    });
  } catch {
    // It is started for several tests, by a hook, which ends it.
  }
}
