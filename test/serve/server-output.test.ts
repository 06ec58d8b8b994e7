import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { readOutput } from '../../src/serve/server-output.js';

async function linesOf(...chunks: readonly (string | Buffer)[]): Promise<string[]> {
  const stream = new PassThrough();
  const lines: string[] = [];
  readOutput(stream, (line) => lines.push(line));
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  await new Promise((resolve) => stream.once('close', resolve));
  return lines;
}

test('lines come whole, however they are cut, and the last one without its end', async () => {
  const text = Buffer.from('one\ntwö\n\nthree');
  expect(await linesOf(text.subarray(0, 6), text.subarray(6, 7), text.subarray(7))).toEqual([
    'one',
    'twö',
    '',
    'three',
  ]);
  expect(await linesOf()).toEqual([]);
});

test('one line past the limit is left out, and counted', async () => {
  expect(await linesOf('x\n'.repeat(256))).toHaveLength(256);
  const lines = await linesOf('x\n'.repeat(258));
  expect([lines.length, lines.at(-1)]).toEqual([257, '2 more lines left out']);
});

test('a line without end is cut: no more of it is kept than a line', async () => {
  const lines = await linesOf('a'.repeat(4_096), 'b'.repeat(4_097), '\n');
  expect(lines.map((line) => line.length)).toEqual([4_096, 4_096, 1]);
  expect(await linesOf('c'.repeat(4_097), 'd\n')).toEqual(['c'.repeat(4_096), 'cd']);
});
