import { type Sampling, samplingName } from '../model/sampling.js';
import type { Governor } from './governor.js';
import type { SourceSampling } from './source.js';
import type { Tracer } from './tracer.js';
import type { TracingSchedule } from './tracing-schedule.js';

/** What the running kernel's source says of its sampling; null is what there is none of. */
export function samplingOf(
  sampling: Sampling,
  tracer: Tracer | null,
  governor: Governor | null,
  schedule: TracingSchedule | null,
): SourceSampling {
  return {
    mode: samplingName(sampling),
    sees: tracer?.sees ?? 'drops',
    detail: tracer?.detail ?? 'all',
    budget: governor?.budget ?? null,
    cost: governor?.cost ?? null,
    windows: {
      opened: schedule?.windows ?? 0,
      requested: schedule?.requestedWindows ?? 0,
      crowded: governor?.crowdings ?? 0,
    },
  };
}
