import { expect, test } from 'vitest';
import { parsePrograms, programRows } from './kernel-part.mjs';

test('programs of one name are one row, by what the load made them run', () => {
  // As bpftool writes it; a program that never ran while it was measured has no times.
  const before = parsePrograms(
    '[{"id":7,"type":"tracing","name":"queue","run_time_ns":1000,"run_cnt":10},' +
      '{"id":8,"type":"netfilter","name":"hook"}]',
  );
  const after = parsePrograms(
    '[{"id":7,"type":"tracing","name":"queue","run_time_ns":9000,"run_cnt":50},' +
      '{"id":8,"type":32,"name":"hook","run_time_ns":500,"run_cnt":5},' +
      '{"id":9,"type":"netfilter","name":"hook","run_time_ns":1500,"run_cnt":15},' +
      '{"id":10,"type":"netfilter","name":"idle"}]',
  );
  expect(programRows(before, after, 10, 4)).toEqual([
    { program: 'queue (tracing)', runs: 40, nsARun: 200, nsAPacket: 800, nsAHop: 200 },
    { program: 'hook (netfilter)', runs: 20, nsARun: 100, nsAPacket: 200, nsAHop: 50 },
  ]);
  expect(programRows(before, after, 10, null)[0]?.nsAHop).toBeNull();
});
