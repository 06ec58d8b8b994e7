import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';

const MODULE = new URL('cleanup.mjs', import.meta.url).href;
/** Undoes in the order of its lines; the second was already undone, the third fails. */
const PROGRAM = `
  import { onEnd } from ${JSON.stringify(MODULE)};
  onEnd(() => console.log('first'));
  const undo = onEnd(() => console.log('second'));
  onEnd(() => { throw new Error('third'); });
  onEnd(() => console.log('fourth'));
  undo();
  undo();
  console.log('ready');
  setInterval(() => {}, 1000);
`;

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)(
  'at %s everything is undone, the newest first, whatever fails',
  async (signal, status) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM]);
    let said = '';
    let complained = '';
    const closed = once(child, 'close');
    child.stderr.on('data', (text) => {
      complained += text;
    });
    child.stdout.on('data', (text) => {
      said += text;
      // Twice, as from a terminal and from whoever waits for the program.
      if (said.includes('ready') && child.kill(signal)) child.kill(signal);
    });
    expect(await closed).toEqual([status, null]);
    expect(said).toBe('second\nready\nfourth\nfirst\n');
    expect(complained).toContain('third');
  },
);
