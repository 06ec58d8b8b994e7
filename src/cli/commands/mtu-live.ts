import type { FlowRecord } from 'hopscope-protocol';
import { log } from '../../logger.js';
import { ObservingCommand } from '../../probe/observing-command.js';

/** Flows of one look that are kept, those that are new after that are left out. */
export const FLOWS_LIMIT = 20_000;

/**
 * Flows of so much time, each as it was last seen.
 *
 * @param options further options of `hopscope flows`
 * @throws as ObservingCommand
 */
export async function watchFlows(
  duration: string,
  options: readonly string[],
): Promise<readonly FlowRecord[]> {
  const flows = new Map<string, FlowRecord>();
  let leftOut = 0;
  const command = await ObservingCommand.start(
    ['flows', '--duration', duration, ...options],
    (record) => {
      const flow = record as FlowRecord;
      if (flow.type !== 'flow') return;
      if (!flows.has(flow.id) && flows.size >= FLOWS_LIMIT) leftOut += 1;
      else flows.set(flow.id, flow);
    },
  );
  await command.ended();
  if (leftOut > 0) {
    const fields = { what: 'flows', count: leftOut };
    log.warn('left-out', `${leftOut} records of flows past the limit`, { fields });
  }
  return [...flows.values()];
}
