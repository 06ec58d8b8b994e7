import type { Readable } from 'node:stream';

/** Lines of one process that are passed on, and characters of one; Node says less when it ends badly. */
const LINES_MOST = 256;
const LINE_MOST = 4_096;

/**
 * What the process that serves writes to its standard error, by lines: by itself it writes
 * nothing, and Node says there why it ends. It parses the network's input, so it may say
 * only so much.
 */
export function readOutput(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  let lines = 0;
  const add = (line: string): void => {
    lines += 1;
    if (lines <= LINES_MOST) onLine(line);
  };
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) add(line.slice(0, LINE_MOST));
    while (rest.length > LINE_MOST) {
      add(rest.slice(0, LINE_MOST));
      rest = rest.slice(LINE_MOST);
    }
  });
  stream.on('end', () => {
    if (rest !== '') add(rest);
    if (lines > LINES_MOST) onLine(`${lines - LINES_MOST} more lines left out`);
  });
  // The process has ended, which is noticed elsewhere.
  stream.on('error', () => undefined);
}
