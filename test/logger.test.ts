import { expect, test } from 'vitest';
import { LOG_LEVELS, Logger } from '../src/logger.js';

function logger(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  const log = new Logger(
    (line) => lines.push(line),
    () => new Date('2026-01-02T03:04:05.678Z'),
  );
  return { log, lines };
}

test('text is a line for people, or the lines that an event has for them', () => {
  const { log, lines } = logger();
  log.warn('source', 'something');
  log.info('ready', 'ready', { text: ['ready'] });
  log.error('failed', 'no', { text: ['hopscope: no [X]', '  remedy'], fields: { code: 'X' } });
  log.info('stopping', 'stopping', { text: null });
  expect(lines).toEqual(['hopscope: something\n', 'ready\n', 'hopscope: no [X]\n', '  remedy\n']);
});

test('json is one object a line, whose head no field can replace', () => {
  const { log, lines } = logger();
  log.format = 'json';
  log.error('failed', 'no', {
    text: ['hopscope: no', '  remedy'],
    fields: { code: 'X', level: 'debug', time: 0, event: 'y', message: 'z' },
  });
  log.info('stopping', 'stopping', { text: null });
  expect(lines).toEqual([
    '{"time":"2026-01-02T03:04:05.678Z","level":"error","event":"failed","message":"no","code":"X"}\n',
    '{"time":"2026-01-02T03:04:05.678Z","level":"info","event":"stopping","message":"stopping"}\n',
  ]);
});

test.each(LOG_LEVELS)('at %s it says that and what is worse', (level) => {
  const { log, lines } = logger();
  log.level = level;
  for (const each of LOG_LEVELS) log[each]('e', each);
  const said = LOG_LEVELS.slice(0, LOG_LEVELS.indexOf(level) + 1);
  expect(lines).toEqual(said.map((each) => `hopscope: ${each}\n`));
});

test('foreign names act on no terminal and begin no line, in neither form', () => {
  const { log, lines } = logger();
  const foreign = 'pod\u001b[31m\nready\u202e';
  log.warn('source', foreign, { fields: { name: foreign } });
  log.format = 'json';
  log.warn('source', foreign, { fields: { name: foreign } });
  expect(lines[0]).toBe('hopscope: pod\\u{1b}[31m\\u{a}ready\\u{202e}\n');
  expect(lines[1]).toMatch(/^[ -~]*\n$/);
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({ message: foreign, name: foreign });
});

test('what is too long is cut', () => {
  const { log, lines } = logger();
  log.warn('source', 'x'.repeat(8_193));
  expect(lines[0]).toBe(`hopscope: ${'x'.repeat(8_192 - 'hopscope: '.length)} …\n`);
});

test('a line that cannot be written is counted, and the next one is tried', () => {
  let isFull = true;
  const lines: string[] = [];
  const log = new Logger((line) => {
    if (isFull) throw new Error('ENOSPC');
    lines.push(line);
  });
  log.warn('a', 'one');
  log.warn('a', 'two', { text: ['two', 'three'] });
  isFull = false;
  log.warn('a', 'four');
  expect([log.lost, lines]).toEqual([3, ['hopscope: four\n']]);
});
