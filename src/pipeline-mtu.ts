import type { FlowRecord, MtuReport } from 'hopscope-protocol';
import type { Flow } from './flow/flow.js';
import type { FlowTable } from './flow/flow-table.js';
import type { ConfiguredMtu } from './mtu/configured-mtu.js';
import { liveReport } from './mtu/report.js';

/** Flows of one report, the newest first, and those that are looked through for them. */
export const FLOWS_REPORTED = 1_000;
const FLOWS_LOOKED_AT = 50_000;
/** A report is made again after so long, ms. */
const FRESH_MS = 2_000;

/** What is known of encapsulation and MTUs: of the newest audit, and of flows. */
export class MtuReporting {
  readonly #flows: FlowTable;
  readonly #record: (flow: Flow) => FlowRecord;
  #report: MtuReport | null = null;
  #madeAt = 0;

  constructor(flows: FlowTable, record: (flow: Flow) => FlowRecord) {
    this.#flows = flows;
    this.#record = record;
  }

  report(configured: ConfiguredMtu | null): MtuReport {
    const now = performance.now();
    if (this.#report === null || now - this.#madeAt > FRESH_MS) {
      this.#report = this.#make(configured);
      this.#madeAt = now;
    }
    return this.#report;
  }

  #make(configured: ConfiguredMtu | null): MtuReport {
    const records: FlowRecord[] = [];
    let others = 0;
    let flow = this.#flows.newest;
    for (let steps = 0; flow !== null && steps < FLOWS_LOOKED_AT; steps++) {
      if (isOfInterest(flow)) {
        if (records.length < FLOWS_REPORTED) records.push(this.#record(flow));
        else others += 1;
      }
      flow = this.#flows.older(flow);
    }
    const namespaces = new Map(configured?.namespaces.map((each) => [each.name, each]));
    const { faults, costs, leftOut } = liveReport(configured?.faults ?? [], records, (name) => {
      const description = namespaces.get(name);
      return description === undefined ? null : { description };
    });
    return {
      type: 'mtu',
      ...{ faults, costs, ways: configured?.ways ?? [], isAudited: configured !== null },
      flows: records.length,
      leftOut: leftOut + others + (configured?.leftOut ?? 0),
    };
  }
}

/** Whether a flow has something to say: its packets were in tunnels, or something happened to them. */
function isOfInterest({ traced }: Flow): boolean {
  if (traced === null) return false;
  return traced.encapsulations !== null || traced.mtu !== null || traced.fragmentsSeen;
}
