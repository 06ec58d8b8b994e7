import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { LineOutput } from '../../src/cli/output.js';

/** A reader that takes nothing until asked to. */
class SlowReader extends Writable {
  text = '';
  #waiting: (() => void)[] = [];
  #open = false;

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    if (this.#open) done();
    else this.#waiting.push(done);
  }

  release(): void {
    this.#open = true;
    for (const done of this.#waiting.splice(0)) done();
  }
}

function outputTo(reader: SlowReader, limit: number): LineOutput {
  return new LineOutput(reader as unknown as NodeJS.WriteStream, limit);
}

it('writes lines, and says when all of them were taken', async () => {
  const reader = new SlowReader();
  const output = outputTo(reader, 1000);
  output.line('one');
  output.line('two');
  let flushed = false;
  const flushing = output.flush().then(() => {
    flushed = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(flushed).toBe(false);
  reader.release();
  await flushing;
  expect(reader.text).toBe('one\ntwo\n');
  expect(output.skipped).toBe(0);
});

it('leaves out and counts what a slow reader does not take, one line past the limit', async () => {
  const reader = new SlowReader();
  const output = outputTo(reader, 9);
  // Ten bytes wait after the second: the third is one too many.
  for (const line of ['aaaa', 'bbbb', 'cccc', 'dddd']) output.line(line);
  expect(output.skipped).toBe(2);
  reader.release();
  await output.flush();
  output.line('eeee');
  await output.flush();
  expect(reader.text).toBe('aaaa\nbbbb\neeee\n');
});

it('is passed on at once while little waits, when it is taken, or after a moment', async () => {
  const reader = new SlowReader();
  const output = outputTo(reader, 64 << 20);
  const happened: string[] = [];
  output.line('a');
  await output.passedOn();
  output.line('b'.repeat(5 << 20));
  await output.passedOn();
  happened.push('a moment');
  const passedOn = output.passedOn().then(() => happened.push('taken'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(happened).toEqual(['a moment']);
  reader.release();
  await passedOn;
  expect(happened).toEqual(['a moment', 'taken']);
});
