import { flowFaults, pathFaults } from '../fixtures/contract.js';

/** Damaged records have times outside what a machine's clock says, in as many digits as they take. */
const ODD_TIME = /nanoseconds since 1970, not -?\d{1,21}$/u;

/** What is wrong with a flow as a record, but for when it was; null when nothing is. */
export function flowFault(record: string): string | null {
  return first(flowFaults(record), record);
}

/** The same of a path. */
export function pathFault(record: string): string | null {
  return first(pathFaults(record), record);
}

function first(faults: readonly string[], record: string): string | null {
  const fault = faults.find((one) => !ODD_TIME.test(one));
  return fault === undefined ? null : `${fault}: ${record}`;
}
