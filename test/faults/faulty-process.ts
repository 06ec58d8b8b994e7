import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { MAIN } from '../scenario/hopscope-process.js';
import { type Held, heldBy, idsOf } from '../source/attached.js';

/** Under emulation everything takes ten times as long. */
const READY_LIMIT_MS = 150_000;
const FREED_LIMIT_MS = 20_000;

/**
 * A hopscope that something happens to, in a session of its own, so that all its descendants are
 * known, and with a folder of its own for temporary files.
 */
export class FaultyProcess {
  readonly child: ChildProcess;
  readonly folder = mkdtempSync(join(tmpdir(), 'hs-fault-'));
  out = '';
  err = '';
  readonly #closed: Promise<unknown>;
  readonly #held: { readonly [K in keyof Held]: Set<number> } = {
    programs: new Set(),
    links: new Set(),
    maps: new Set(),
  };
  #port: number | null = null;

  /** @param node options of Node */
  constructor(
    args: readonly string[],
    wrapper: readonly string[] = [],
    main = MAIN,
    node: readonly string[] = [],
  ) {
    // A session of its own outlives a test run that is ended, but for this.
    const bound = ['--pdeathsig', 'KILL', '--'];
    const words = [...bound, ...wrapper, process.execPath, ...node, main, ...args];
    this.child = spawn('setpriv', words, {
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: this.folder },
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.err += text;
    });
    this.#closed = once(this.child, 'close');
  }

  static async ready(
    args: readonly string[],
    wrapper: readonly string[] = [],
    main = MAIN,
    node: readonly string[] = [],
  ): Promise<FaultyProcess> {
    const started = new FaultyProcess(args, wrapper, main, node);
    await started.untilReady();
    return started;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** The address of its dashboard; empty before it has one. */
  get url(): string {
    return /dashboard on (\S+)/.exec(this.err)?.[1] ?? '';
  }

  async untilReady(): Promise<void> {
    const isReady = () => /^ready$/m.test(this.err) || this.isOver;
    await expect.poll(isReady, { timeout: READY_LIMIT_MS, interval: 20 }).toBe(true);
    if (this.isOver) throw new Error(`ended before it was ready:\n${this.err}`);
  }

  get isOver(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** The process that serves, or another descendant; null where there is none now. */
  descendant(name: string): number | null {
    const found = this.#session().find((pid) => commandOf(pid).includes(name));
    return found ?? null;
  }

  /** Remembers what it holds in the kernel now: of a process that is gone nobody can say. */
  note(): void {
    for (const pid of this.#session()) {
      try {
        const held = heldBy(pid);
        for (const id of held.programs) this.#held.programs.add(id);
        for (const id of held.links) this.#held.links.add(id);
        for (const id of held.maps) this.#held.maps.add(id);
      } catch {
        // It has ended in the meantime.
      }
    }
    const port = /:(\d+)$/.exec(this.url)?.[1];
    if (port !== undefined) this.#port = Number(port);
  }

  /** Sends a signal to it alone, and resolves once it has ended. */
  async end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    this.note();
    // unshare(1) ignores what it is sent, and waits for its child.
    const own = this.#session().find((pid) => {
      const command = commandOf(pid);
      return command.startsWith(process.execPath) && !command.includes('joiner-main.js');
    });
    kill(own ?? this.pid, signal);
    return this.ended();
  }

  async ended(): Promise<number | NodeJS.Signals | null> {
    await this.#closed;
    return this.child.exitCode ?? this.child.signalCode;
  }

  /** Fails unless nothing is left of it, and removes its folder. */
  async expectNothingLeft(): Promise<void> {
    const options = { timeout: FREED_LIMIT_MS, interval: 100 };
    await expect.poll(() => this.#left(), options).toEqual([]);
    this.remove();
  }

  /** Ends whatever there still is: for the end of a test that failed. */
  remove(): void {
    for (const pid of this.#session()) kill(pid);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #left(): Promise<string[]> {
    const left = this.#session().map((pid) => `process ${pid}: ${commandOf(pid)}`);
    for (const [kind, held] of [
      ['prog', this.#held.programs],
      ['link', this.#held.links],
      ['map', this.#held.maps],
    ] as const) {
      const there = (await idsOf(kind)).filter((id) => held.has(id));
      left.push(...there.map((id) => `${kind} ${id}`));
    }
    left.push(...readdirSync(this.folder).map((name) => `file ${name}`));
    if (this.#port !== null && (await listens(this.#port))) left.push(`port ${this.#port}`);
    return left;
  }

  #session(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => sessionOf(pid) === this.pid);
  }
}

/** The session of a process that runs: field 6 of proc(5), with the state in field 3. */
function sessionOf(pid: number): number | null {
  const stat = read(`/proc/${pid}/stat`);
  const [state, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === undefined ? null : Number(session);
}

function commandOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended in the meantime.
  }
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const open = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  });
  socket.destroy();
  return open;
}
