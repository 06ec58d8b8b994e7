import { fileURLToPath } from 'node:url';
import { KernelSource } from '../source/kernel-source.js';
import type { CommonOptions } from './options.js';

/** The compiled tracer, beside the compiled TypeScript. */
export const TRACER_OBJECT = fileURLToPath(new URL('../bpf/tracer.bpf.o', import.meta.url));
/** The built dashboard. */
export const UI_DIRECTORY = fileURLToPath(new URL('../ui', import.meta.url));

export function warn(message: string): void {
  process.stderr.write(`hopscope: ${message}\n`);
}

export function kernelSource(options: CommonOptions): KernelSource {
  return new KernelSource({
    objectFile: TRACER_OBJECT,
    netns: options.netns,
    onWarning: warn,
  });
}

/** Says that every program is attached, in the word that scripts wait for. */
export function announceReady(source: { readonly missing: readonly string[] }): void {
  for (const missing of source.missing) {
    warn(`not seen: ${missing}`);
  }
  process.stderr.write('ready\n');
}

/** Resolves on SIGINT, SIGTERM, or when the time is over. A second signal ends at once. */
export function untilStopped(durationMs: number | null, abort?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = durationMs === null ? null : setTimeout(done, durationMs);
    function done(): void {
      if (timer !== null) {
        clearTimeout(timer);
      }
      process.off('SIGINT', done);
      process.off('SIGTERM', done);
      resolve();
    }
    process.on('SIGINT', done);
    process.on('SIGTERM', done);
    abort?.addEventListener('abort', done);
  });
}
