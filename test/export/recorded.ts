import type { FlowRecord, PathRecord } from 'hopscope-protocol';
import { flowRecord } from '../../src/export/flow-record.js';
import { pathRecord } from '../../src/export/path-record.js';
import { Names } from '../../src/name/names.js';
import { Epoch } from '../../src/wire/clock.js';
import { CLUSTER } from '../fixtures/catalog.js';
import { Joining, nth } from '../fixtures/joined.js';
import { TAPE_START, type Tape } from '../fixtures/tape.js';

/** Where the tests' drops come from, and what is there. */
export const DROP_LOCATION = 0xffff_ffff_8123_4567n;
export const DROP_FUNCTION = 'nf_hook_slow';

export interface Recorded {
  readonly paths: readonly PathRecord[];
  readonly flows: readonly FlowRecord[];
}

/** What is made of a tape that has ended. */
export function recorded(tape: Tape, catalog = CLUSTER): Recorded {
  const symbol = (address: bigint): string | null =>
    address === DROP_LOCATION ? DROP_FUNCTION : null;
  const names = new Names(catalog, symbol);
  const epoch = new Epoch(TAPE_START);
  const joining = new Joining().end(tape);
  return {
    paths: joining.finished.map((finished) => pathRecord(finished, names, epoch)),
    flows: joining.allFlows().map((flow) => flowRecord(flow, names, epoch)),
  };
}

export function onlyRecordedPath(tape: Tape): PathRecord {
  const { paths } = recorded(tape);
  if (paths.length !== 1) throw new Error(`${paths.length} paths`);
  return nth(paths, 0);
}

export function onlyRecordedFlow(tape: Tape): FlowRecord {
  const { flows } = recorded(tape);
  if (flows.length !== 1) throw new Error(`${flows.length} flows`);
  return nth(flows, 0);
}
