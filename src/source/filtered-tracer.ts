import { kernelFilter } from '../filter/kernel-program.js';
import type { PacketFilter } from '../filter/packet-filter.js';
import type { FoundNamespace } from './namespace-watcher.js';
import { Tracer } from './tracer.js';
import { reasonOf, type TracerOptions } from './tracer-object.js';

/**
 * An attached tracer, with the filter in the kernel where that takes it: user space filters
 * what comes all the same, so without it the result is the same and costs more.
 * Errors: as `Tracer.attach`.
 *
 * @param before what it waits for before it attaches
 * @param onWarning gets why a filter is not in the kernel
 */
export async function attachTracer(
  options: TracerOptions,
  filter: PacketFilter | null,
  namespaces: ReadonlyMap<number, FoundNamespace>,
  before: Promise<unknown>,
  onWarning: (message: string) => void,
): Promise<Tracer> {
  let reason: string | null = null;
  if (filter !== null) {
    try {
      return await attached({ ...options, filter: kernelFilter(filter) }, namespaces, before);
    } catch (error) {
      reason = reasonOf(error);
    }
  }
  const tracer = await attached(options, namespaces, before);
  if (reason !== null) {
    onWarning(`the filter runs outside the kernel, which costs more: ${reason}`);
  }
  return tracer;
}

async function attached(
  options: TracerOptions,
  namespaces: ReadonlyMap<number, FoundNamespace>,
  before: Promise<unknown>,
): Promise<Tracer> {
  const tracer = new Tracer(options);
  try {
    await tracer.attach(namespaces, before);
    return tracer;
  } catch (error) {
    tracer.dispose();
    throw error;
  }
}
