import { execFile } from 'node:child_process';
import { HopscopeError, UnsupportedError } from '../model/errors.js';

/** Bytes of standard output kept of one command. */
const OUTPUT_LIMIT = 4 << 20;
/** No command of the lab takes longer than this on a slow emulated machine, ms. */
const COMMAND_TIMEOUT_MS = 60_000;

const PACKAGES: Readonly<Record<string, string>> = {
  bridge: 'iproute2',
  ip: 'iproute2',
  ipset: 'ipset',
  ipvsadm: 'ipvsadm',
  nft: 'nftables',
  ping: 'iputils-ping',
  sysctl: 'procps',
  wg: 'wireguard-tools',
};

/** A command the lab ran failed. `stderr` is what it said. */
export class LabCommandError extends HopscopeError {
  readonly command: string;
  readonly stderr: string;

  constructor(command: string, stderr: string, cause: unknown) {
    const said = stderr.trim() || (cause instanceof Error ? cause.message : String(cause));
    super('LAB_COMMAND_FAILED', `${command}: ${said}`, { cause });
    this.command = command;
    this.stderr = stderr;
  }
}

export interface RunOptions {
  /** Written to standard input. */
  readonly input?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** The machine's administration tools are not on every root's PATH. */
export function labEnvironment(): NodeJS.ProcessEnv {
  const path = process.env['PATH'] ?? '/usr/bin:/bin';
  return { ...process.env, PATH: `${path}:/usr/local/sbin:/usr/sbin:/sbin`, LC_ALL: 'C' };
}

/**
 * Runs a program to its end and returns its standard output.
 *
 * @throws LabCommandError when it exits with another status than 0
 * @throws UnsupportedError when it is not installed
 */
export function runCommand(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      [...args],
      {
        encoding: 'utf8',
        env: labEnvironment(),
        maxBuffer: OUTPUT_LIMIT,
        timeout: options.timeoutMs ?? COMMAND_TIMEOUT_MS,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout);
        if (error.code === 'ENOENT') return reject(missingTool(file, error));
        reject(new LabCommandError([file, ...args].join(' '), stderr, error));
      },
    );
    // A program that ends before it read its input has its exit status to say so.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
  });
}

function missingTool(tool: string, cause?: unknown): UnsupportedError {
  const name = PACKAGES[tool] ?? (tool.startsWith('iptables') ? 'iptables' : tool);
  return new UnsupportedError(
    'LAB_TOOL_MISSING',
    `the program ${tool} is not installed`,
    `apt-get install --no-install-recommends ${name}`,
    { cause },
  );
}

/** Runs a program inside a named network namespace. */
export function runIn(
  netns: string,
  file: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<string> {
  return runCommand('ip', ['netns', 'exec', netns, file, ...args], options);
}

/** Runs `ip` commands, one a line, in a named network namespace or in the present one. */
export function ipBatch(
  netns: string | null,
  lines: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const where = netns === null ? [] : ['-netns', netns];
  return runCommand('ip', [...where, '-batch', '-'], { ...options, input: text(lines) });
}

/** Runs `bridge` commands, one a line, in a named network namespace. */
export function bridgeBatch(
  netns: string,
  lines: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  return runCommand('bridge', ['-netns', netns, '-batch', '-'], { ...options, input: text(lines) });
}

/** Sets kernel parameters (`net/ipv4/ip_forward=1`) in a named network namespace. */
export async function setSysctls(
  netns: string,
  settings: readonly string[],
  options?: RunOptions,
): Promise<void> {
  if (settings.length > 0) await runIn(netns, 'sysctl', ['-q', '-w', ...settings], options);
}

function text(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
