import type { FlowRecord, MtuReport } from 'hopscope-protocol';
import type { Flow } from './flow/flow.js';
import type { FlowTable } from './flow/flow-table.js';
import type { ConfiguredMtu } from './mtu/configured-mtu.js';
import { liveReport } from './mtu/report.js';

/** Flows of one report, the newest first, and those that are looked through for them. */
export const FLOWS_REPORTED = 1_000;
const FLOWS_LOOKED_AT = 50_000;
/** Of one call: records that are made, and flows that are passed over. */
const RECORDS_AT_ONCE = 8;
const FLOWS_AT_ONCE = 4_096;
/** A report is made again after so long, ms. */
const FRESH_MS = 2_000;

/** What one report is made of, so far. */
interface Making {
  readonly slots: readonly number[];
  at: number;
  readonly records: FlowRecord[];
  others: number;
}

/**
 * What is known of encapsulation and MTUs: of the newest audit, and of flows. A report is made a part
 * at a time, since packets are joined by the same thread.
 */
export class MtuReporting {
  readonly #flows: FlowTable;
  readonly #record: (flow: Flow) => FlowRecord;
  #report: MtuReport | null = null;
  #madeAt = 0;
  #making: Making | null = null;

  constructor(flows: FlowTable, record: (flow: Flow) => FlowRecord) {
    this.#flows = flows;
    this.#record = record;
  }

  /** Null while it is being made: the next call goes on with it. */
  report(configured: ConfiguredMtu | null): MtuReport | null {
    if (this.#report !== null && performance.now() - this.#madeAt <= FRESH_MS) return this.#report;
    this.#making ??= {
      slots: this.#flows.newestSlots(0, FLOWS_LOOKED_AT),
      at: 0,
      records: [],
      others: 0,
    };
    if (!this.#lookOn(this.#making)) return null;
    this.#report = reportOf(configured, this.#making);
    this.#making = null;
    this.#madeAt = performance.now();
    return this.#report;
  }

  /** @returns whether all were looked at. What comes and goes meanwhile is in or not */
  #lookOn(making: Making): boolean {
    const { slots, records } = making;
    const end = Math.min(slots.length, making.at + FLOWS_AT_ONCE);
    const most = records.length + RECORDS_AT_ONCE;
    for (; making.at < end && records.length < most; making.at++) {
      const flow = this.#flows.at(slots[making.at] as number);
      if (flow === null || !isOfInterest(flow)) continue;
      if (records.length < FLOWS_REPORTED) records.push(this.#record(flow));
      else making.others += 1;
    }
    return making.at === slots.length;
  }
}

function reportOf(configured: ConfiguredMtu | null, { records, others }: Making): MtuReport {
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

/** Whether a flow has something to say: its packets were in tunnels, or something happened to them. */
function isOfInterest({ traced }: Flow): boolean {
  if (traced === null) return false;
  return traced.encapsulations !== null || traced.mtu !== null || traced.fragmentsSeen;
}
