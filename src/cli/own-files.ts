import { fileURLToPath } from 'node:url';

/** The compiled tracer, beside the compiled TypeScript. */
export const TRACER_OBJECT = fileURLToPath(new URL('../bpf/tracer.bpf.o', import.meta.url));
/** A recording of the lab: shown where the kernel cannot be used, and joined to warm up. */
export const DEMO_RECORDING = fileURLToPath(
  new URL('../source/demo-recording.hops.gz', import.meta.url),
);
/** The built dashboard. */
export const UI_DIRECTORY = fileURLToPath(new URL('../ui', import.meta.url));
