import { fileURLToPath } from 'node:url';

/** The compiled tracer, as the build leaves it. */
export const TRACER_OBJECT = fileURLToPath(new URL('../../dist/bpf/tracer.bpf.o', import.meta.url));

/** The compiled survey of hooks. */
export const SURVEY_OBJECT = fileURLToPath(
  new URL('../../dist/bpf/hook-survey.bpf.o', import.meta.url),
);
