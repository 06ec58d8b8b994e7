import { describe, expect, test } from 'vitest';
import {
  type KernelRun,
  sameTables,
  scenarioTable,
  tableIn,
  withTable,
} from './scenario-table.mjs';

function run(kernel: string, tests: readonly [file: string, title: string, status: string][]) {
  const files = tests.map(([name, title, status]) => ({
    name: `/checkout/test/scenario/${name}.test.ts`,
    status,
    assertionResults: [
      { title, status, ...(name === 'ipvs' ? { ancestorTitles: ['this kernel cannot: no'] } : {}) },
    ],
  }));
  return { kernel, files } satisfies KernelRun;
}

/** The cell of a scenario in a table of one kernel. */
function cell(id: string, tests: readonly [file: string, title: string, status: string][]) {
  const { markdown, problems } = scenarioTable([run('Linux 6.1', tests)]);
  const row = markdown.split('\n').find((line) => line.startsWith(`| ${id} |`));
  return {
    text: row?.split('|').at(3)?.trim(),
    problem: problems.some((line) => line.startsWith(`${id} on Linux 6.1:`)),
  };
}

describe('a cell', () => {
  test('names the configurations in which the scenario holds, each once', () => {
    const tests: [string, string, string][] = [
      ['bgp', 'S5, S6: one flow for each', 'passed'],
      ['vxlan', 'S5: a service', 'passed'],
      ['ipip', 'S5: a service', 'passed'],
      ['ipip', 'S5: the same again', 'passed'],
      ['wireguard', 'S5: a service', 'skipped'],
    ];
    expect(cell('S5', tests)).toEqual({ text: 'ipip, vxlan, bgp', problem: false });
    expect(cell('S6', tests)).toEqual({ text: 'bgp', problem: false });
  });

  test('has the clusters whose rules come otherwise last', () => {
    const names = ['ipvs', 'nftables', 'iptables-legacy', 'cross-subnet', 'bgp', 'vxlan'];
    const tests = names.map((name): [string, string, string] => [name, 'S6: a service', 'passed']);
    expect(cell('S6', tests).text).toBe(
      'vxlan, bgp, cross-subnet, iptables-legacy, nftables, ipvs',
    );
  });

  test('is a failure where one test fails, whatever else passes', () => {
    const tests: [string, string, string][] = [
      ['ipip', 'S2: to the other node', 'passed'],
      ['ipip', 'S2: and back', 'failed'],
    ];
    expect(cell('S2', tests)).toEqual({ text: '**fails**: ipip', problem: true });
  });

  test('says what the kernel lacks where all tests were left out', () => {
    const tests: [string, string, string][] = [['ipvs', 'S13: a service', 'skipped']];
    expect(cell('S13', tests)).toEqual({ text: 'kernel has no ipvs', problem: false });
  });

  test('is a failure where nothing was run', () => {
    expect(cell('S13', [['ipip', 'S1: pod to pod', 'passed']])).toEqual({
      text: '**not run**',
      problem: true,
    });
  });

  test('is a failure where tests were left out by choice', () => {
    expect(cell('S6', [['ipip', 'S6: a service', 'skipped']])).toEqual({
      text: '**not run**',
      problem: true,
    });
  });

  test('takes a longer number for another scenario', () => {
    expect(cell('S1', [['ipip', 'S10: a node port', 'passed']]).problem).toBe(true);
  });
});

describe('the table in a document', () => {
  const DOCUMENT =
    'a\n<!-- scenarios: written by npm run scenarios -->\nold\n<!-- /scenarios -->\nb\n';
  const TABLE = '| | scenario | Linux 6.1 | Linux 6.18 |\n| --- |\n| S1 | one | ipip | bgp |';

  test('is put in its place, and found there', () => {
    const written = withTable(DOCUMENT, TABLE);
    expect(tableIn(written)).toBe(TABLE);
    expect(written.startsWith('a\n')).toBe(true);
    expect(written.endsWith('\nb\n')).toBe(true);
    expect(tableIn('no place')).toBeNull();
  });

  test('is refused by a document that has no place for it', () => {
    for (const document of ['no place', DOCUMENT.replace('<!-- /scenarios -->', '')]) {
      expect(() => withTable(document, TABLE)).toThrow(
        expect.objectContaining({ code: 'SCENARIO_TABLE' }),
      );
    }
  });

  test.each([
    ['the same', TABLE, true],
    ['a cell that differs', TABLE.replace('ipip', 'vxlan'), false],
    ['a row that is missing', TABLE.split('\n').slice(0, 2).join('\n'), false],
    ['a column of another kernel', TABLE.replace('6.18', '6.20').replace('bgp', 'vxlan'), true],
  ])('%s', (_, other, same) => {
    expect(sameTables(TABLE, other)).toBe(same);
  });
});
