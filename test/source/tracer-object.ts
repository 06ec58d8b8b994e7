import { fileURLToPath } from 'node:url';

/** The compiled tracer, as the build leaves it. */
export const TRACER_OBJECT = fileURLToPath(new URL('../../dist/bpf/tracer.bpf.o', import.meta.url));
