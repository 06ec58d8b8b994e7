// @ts-check
import { NodeSnapshotEnvironment } from '@vitest/snapshot/environment';

/**
 * What vitest's modules ask of the worker they believe to be in (`__vitest_worker__`), some
 * of them as soon as they are loaded: import this before any of them.
 */
const state = {
  config: /** @type {unknown} */ (undefined),
  ctx: { pool: 'forks', projectName: '' },
  moduleCache: new Map(),
  environment: { name: 'node' },
  durations: { prepare: 0, environment: 0 },
  rpc: { snapshotSaved: async () => {} },
  onCleanup: () => {},
};
Object.assign(process.env, { TEST: 'true', VITEST: 'true', VITEST_MODE: 'RUN' });
process.env.NODE_ENV ??= 'test';
Object.defineProperty(globalThis, '__vitest_worker__', { configurable: true, value: state });

/** @param {import('vitest').SerializedConfig} config of the project whose files follow */
export function enterProject(config) {
  config.snapshotOptions.snapshotEnvironment = new NodeSnapshotEnvironment();
  state.config = config;
  state.ctx.projectName = config.name ?? '';
}
