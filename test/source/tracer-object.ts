import { fileURLToPath } from 'node:url';

/** A compiled object, as the build leaves it. */
export function objectFile(name: string): string {
  return fileURLToPath(new URL(`../../dist/bpf/${name}.bpf.o`, import.meta.url));
}

export const TRACER_OBJECT = objectFile('tracer');
/** The survey of hooks. */
export const SURVEY_OBJECT = objectFile('hook-survey');
