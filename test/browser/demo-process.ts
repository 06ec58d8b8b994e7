import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 20_000;

/** `hopscope demo` as a person would start it. */
export class DemoProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #said: () => string;

  private constructor(url: string, child: ChildProcess, said: () => string) {
    this.url = url;
    this.#child = child;
    this.#said = said;
  }

  /** What it wrote to standard error so far. */
  get said(): string {
    return this.#said();
  }

  /** Resolves once it is ready. `port` 0 takes any free one. */
  static async start(port: number, ...options: string[]): Promise<DemoProcess> {
    const child = spawn(execPath, [MAIN, 'demo', '--port', String(port), ...options], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      said += text;
    });
    const deadline = performance.now() + START_LIMIT_MS;
    while (!/^ready$/m.test(said)) {
      if (child.exitCode !== null || performance.now() > deadline) {
        child.kill('SIGTERM');
        throw new Error(`the demo did not get ready:\n${said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const url = /dashboard on (http:\S+)/.exec(said)?.[1];
    if (url === undefined) throw new Error(`the demo did not say where it is:\n${said}`);
    return new DemoProcess(url, child, () => said);
  }

  /** As Ctrl-C does; the exit status. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode !== null) return this.#child.exitCode;
    const exited = once(this.#child, 'exit') as Promise<[number | null]>;
    this.#child.kill('SIGINT');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    const [code] = await exited;
    clearTimeout(timer);
    return code;
  }
}
