import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';

/** Bytes of rules taken from one namespace; 100,000 rules of kube-proxy have some 20 MB. */
export const TEXT_LIMIT = 128 << 20;
const TIMEOUT_MS = 30_000;
/** What changes by itself: counters, times that run, and when the text was made. */
const PASSING =
  /^#.*$|\[\d+:\d+\]| timeout \d+| packets \d+ bytes \d+|"(?:packets|bytes|expires)": \d+/gmu;

export interface ReadText {
  readonly pieces: readonly string[];
  /** The same for the same text, but for what changes by itself. */
  readonly digest: string;
}

/** Standard output of a command in a namespace, in pieces that end where a line does. */
export function toolText(path: string, command: readonly string[]): Promise<ReadText> {
  return new Promise((resolve, reject) => {
    const child = spawn('nsenter', [`--net=${path}`, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
    });
    const pieces: string[] = [];
    const hash = createHash('sha256');
    const take = (piece: string, end = '\n'): void => {
      // By its lines, for where it comes in two is another place each time.
      hash.update(`${piece.replace(PASSING, '')}${end}`);
      pieces.push(piece);
    };
    let rest = '';
    let bytes = 0;
    let said = '';
    child.stdout.setEncoding('utf8');
    child.stderr.setEncoding('utf8');
    child.stdout.on('data', (chunk: string) => {
      bytes += chunk.length;
      if (bytes > TEXT_LIMIT) {
        child.kill('SIGKILL');
        return;
      }
      const end = chunk.lastIndexOf('\n');
      if (end < 0) {
        // JSON has no lines: it is cut where an object begins.
        const cut = chunk.lastIndexOf(', {"');
        if (cut < 0) rest += chunk;
        else {
          take(rest + chunk.slice(0, cut), '');
          rest = chunk.slice(cut);
        }
        return;
      }
      take(rest + chunk.slice(0, end));
      rest = chunk.slice(end + 1);
    });
    child.stderr.on('data', (chunk: string) => {
      if (said.length < 1_024) said += chunk;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (bytes > TEXT_LIMIT) reject(new Error(`more than ${TEXT_LIMIT} bytes`));
      else if (code !== 0) reject(new Error(said.trim() || `ended with ${code ?? signal}`));
      else {
        if (rest !== '') take(rest);
        resolve({ pieces, digest: hash.digest('hex') });
      }
    });
  });
}
