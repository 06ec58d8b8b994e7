import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { HopscopeError, UnsupportedError } from '../model/errors.js';

/** For attaching the programs. */
const READY_MS = 60_000;

/** A line of the log of a command of hopscope, in JSON. */
interface LogLine {
  readonly event?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly remedy?: unknown;
}

/**
 * A command of hopscope that watches and writes JSON Lines, as a process of its own: what parses
 * packets has no privileges, and who sends or configures has.
 */
export class ObservingCommand {
  readonly #child: ReturnType<typeof spawn>;
  readonly #ended: Promise<unknown>;
  #error: HopscopeError | null = null;
  #onReady: () => void = () => undefined;

  private constructor(program: readonly string[], onRecord: (record: unknown) => void) {
    const [command = '', ...args] = program;
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.once('error', (cause) => {
      this.#error ??= new HopscopeError('COMMAND_NOT_STARTED', cause.message, { cause });
    });
    for (const [stream, take] of [
      [child.stdout, onRecord],
      [child.stderr, (line: unknown) => this.#takeLog(line as LogLine)],
    ] as const) {
      createInterface({ input: stream }).on('line', (line) => {
        const value = parsed(line);
        if (value !== null) take(value);
      });
    }
    this.#ended = once(child, 'close');
    // What never began has no end that anybody waits for.
    this.#ended.catch(() => undefined);
  }

  /**
   * Begins, and waits until every program is attached.
   *
   * @param args a command of hopscope with its options; those for JSON are added
   * @throws UnsupportedError, HopscopeError as the command does; `COMMAND_NOT_STARTED`
   */
  static async start(
    args: readonly string[],
    onRecord: (record: unknown) => void,
  ): Promise<ObservingCommand> {
    const [name = '', ...rest] = args;
    const program = [process.execPath, ...process.execArgv, process.argv[1] ?? '', name];
    const how = ['--json', '--log-format', 'json', '--log-level', 'info'];
    const command = new ObservingCommand([...program, ...how, ...rest], onRecord);
    const isReady = await command.#begun();
    if (isReady) return command;
    await command.stop();
    const message = `hopscope ${name} did not begin`;
    throw command.#error ?? new HopscopeError('COMMAND_NOT_STARTED', message);
  }

  /** Resolves when it has ended by itself and all that it wrote was taken. */
  async ended(): Promise<void> {
    await this.#ended.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.ended();
  }

  async #begun(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const ready = new Promise<boolean>((resolve) => {
      this.#onReady = () => resolve(true);
      timer = setTimeout(() => resolve(false), READY_MS);
      void this.ended().then(() => resolve(false));
    });
    const isReady = await ready;
    clearTimeout(timer);
    return isReady;
  }

  #takeLog({ event, message, code, remedy }: LogLine): void {
    if (event === 'ready') this.#onReady();
    if (event !== 'failed') return;
    const [stable, text] = [String(code), String(message)];
    this.#error =
      typeof remedy === 'string'
        ? new UnsupportedError(stable, text, remedy)
        : new HopscopeError(stable, text);
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
