import type { Flow } from '../../src/flow/flow.js';
import { FlowTable } from '../../src/flow/flow-table.js';
import { EMPTY_CATALOG } from '../../src/name/catalog.js';
import { Names } from '../../src/name/names.js';
import type { ScannedFlows } from '../../src/serve/flow-match.js';
import { PathMaker } from '../fixtures/path-of.js';
import { CALI1, POD1_ETH0 } from '../fixtures/places.js';

/** A table for scans, and what puts another flow into it. */
export function scannedFlows(): {
  from: ScannedFlows;
  add: (src: string, dst: string, time: number) => Flow;
} {
  const maker = new PathMaker();
  const flows = new FlowTable(maker.tuples, { ended: {} });
  const from = { flows, names: new Names(EMPTY_CATALOG), epochNs: 0n };
  let port = 1_024;
  const add = (src: string, dst: string, time: number): Flow => {
    const tuple = maker.tuple({ src, dst, sport: ++port, dport: 53 }, 'udp');
    const steps = [maker.egress(POD1_ETH0, tuple), maker.ingress(CALI1, tuple)];
    return flows.add(maker.path(steps, { proto: 'udp', start: time })).flow as Flow;
  };
  return { from, add };
}
