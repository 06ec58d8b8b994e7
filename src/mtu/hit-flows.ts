import type { FaultRecord, FlowRecord, MtuVerdict } from 'hopscope-protocol';
import { FLOWS_NAMED } from './seen-faults.js';

/** A flow with one of these shows that something did not fit. */
const HIT: ReadonlySet<MtuVerdict> = new Set<MtuVerdict>(['blackhole', 'pmtu', 'fragments']);

/** Which flows faults of the configuration hit: packets of these passed the device, and did not fit. */
export class HitFlows {
  readonly #byDevice = new Map<string, Set<string>>();

  add(flow: FlowRecord): void {
    if (!HIT.has(flow.mtu.verdict)) return;
    for (const { netns, dev } of flow.legs) {
      if (dev === null) continue;
      const key = `${netns}/${dev}`;
      const known = this.#byDevice.get(key);
      if (known === undefined) this.#byDevice.set(key, new Set([flow.id]));
      else known.add(flow.id);
    }
  }

  /** The fault with its flows; with what was seen as evidence, where something was. */
  of(fault: FaultRecord): FaultRecord {
    const flows = new Set<string>();
    for (const end of [fault, fault.peer]) {
      if (end === null || end.dev === null) continue;
      for (const id of this.#byDevice.get(`${end.netns}/${end.dev}`) ?? []) flows.add(id);
    }
    const evidence = flows.size > 0 ? ([...fault.evidence, 'seen'] as const) : fault.evidence;
    return { ...fault, evidence, flows: flows.size, flowIds: [...flows].slice(0, FLOWS_NAMED) };
  }
}
