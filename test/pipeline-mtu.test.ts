import type { MtuReport } from 'hopscope-protocol';
import { expect, test } from 'vitest';
import { flowRecord } from '../src/export/flow-record.js';
import { EMPTY_CATALOG } from '../src/name/catalog.js';
import { Names } from '../src/name/names.js';
import { MtuReporting } from '../src/pipeline-mtu.js';
import { Epoch } from '../src/wire/clock.js';
import { AT_POD1, AT_POD3, Connection } from './fixtures/connection.js';
import { Joining } from './fixtures/joined.js';
import { ADDRESSES } from './fixtures/places.js';
import { TAPE_START, Tape } from './fixtures/tape.js';

const FLOWS = 20;

test('a report is made a part at a time, of all flows in tunnels', () => {
  const tape = new Tape();
  const plan = { proto: 'tcp', src: ADDRESSES.pod1, from: AT_POD1, dport: 80 } as const;
  const to = { dst: ADDRESSES.pod3, to: AT_POD3, tunnelled: true };
  for (let sport = 1_000; sport < 1_000 + FLOWS; sport++) {
    const ctAddress = 0xffff_8880_1000_0000n + BigInt(sport * 256);
    new Connection(tape, { ...plan, ...to, sport, ctAddress })
      .send('original', { flags: 'S' })
      .free();
  }
  const names = new Names(EMPTY_CATALOG);
  const epoch = new Epoch(TAPE_START);
  let made = 0;
  const reporting = new MtuReporting(new Joining().end(tape).flows, (flow) => {
    made += 1;
    return flowRecord(flow, names, epoch);
  });
  const madeBy: number[] = [];
  let report: MtuReport | null = null;
  while (report === null && madeBy.length < FLOWS) {
    report = reporting.report(null);
    madeBy.push(made);
  }
  expect(madeBy).toEqual([8, 16, 20]);
  expect(report).toMatchObject({ flows: FLOWS, isAudited: false, leftOut: 0 });
  expect(report?.costs[0]).toMatchObject({ by: 'encapsulation', flows: FLOWS });
  // For a while it is the same one.
  expect(reporting.report(null)).toBe(report);
  expect(made).toBe(FLOWS);
});
