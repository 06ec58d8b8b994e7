import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/**
 * One project a kind of test. Those that touch the kernel run one file at a time, in
 * processes of their own: the lab's names exist once on a machine.
 */
const PRIVILEGED = {
  native: ['test/native/**/*.test.ts'],
  kernel: [
    'test/lab/**/*.test.ts',
    'test/source/**/*.test.ts',
    'test/provide/**/*.test.ts',
    'test/doctor/**/*.test.ts',
    'test/faults/*.test.ts',
    'test/pipeline/**/*.test.ts',
  ],
  scenario: ['test/scenario/**/*.test.ts'],
  browser: ['test/browser/**/*.test.ts'],
  'two-kernels': ['test/two-kernels/**/*.test.ts'],
  // Besides, those of test/faults/ for longer: see test/faults/run.mjs.
  faults: ['test/faults/slow/*.test.ts'],
};
const FUZZ = ['test/fuzz/**/*.test.ts'];

/** On some machines the kernel leaves out tracepoints for a moment: see CONTRIBUTING.md. */
const AGAIN = 2;

const ONE_AT_A_TIME = { pool: 'forks', poolOptions: { forks: { singleFork: true } } } as const;

export default defineConfig({
  resolve: {
    // Its sources, so that a change is tested before it is built.
    alias: {
      'hopscope-protocol': fileURLToPath(new URL('src/protocol/index.ts', import.meta.url)),
    },
  },
  test: {
    // Node loads the native package itself, as it does in production.
    server: { deps: { external: [/\/native\/dist\//] } },
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts', 'ui/src/**/*.ts'],
      exclude: ['**/*.gen.ts', '**/dist/**', '**/*.d.ts'],
      reporter: ['text', 'json-summary'],
      reportsDirectory: 'test-results/coverage',
    },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...Object.values(PRIVILEGED).flat(), ...FUZZ],
          // For one that does not end: a machine may do other work.
          testTimeout: 60_000,
          pool: 'forks',
        },
      },
      {
        extends: true,
        test: {
          name: 'fuzz',
          include: FUZZ,
          // Each target takes seconds; a machine may do other work.
          testTimeout: 240_000,
          pool: 'forks',
        },
      },
      {
        extends: true,
        test: {
          name: 'native',
          include: PRIVILEGED.native,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          ...ONE_AT_A_TIME,
        },
      },
      {
        extends: true,
        test: {
          name: 'kernel',
          include: PRIVILEGED.kernel,
          retry: AGAIN,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          ...ONE_AT_A_TIME,
        },
      },
      {
        extends: true,
        test: {
          name: 'faults',
          include: [...PRIVILEGED.faults, 'test/faults/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          ...ONE_AT_A_TIME,
        },
      },
      {
        extends: true,
        test: {
          name: 'scenario',
          include: PRIVILEGED.scenario,
          retry: AGAIN,
          // Under emulation everything takes ten times as long.
          testTimeout: 240_000,
          hookTimeout: 240_000,
          pool: 'forks',
          // Every file has the same modules, and loading them takes long under emulation.
          poolOptions: { forks: { singleFork: true, isolate: false } },
        },
      },
      {
        extends: true,
        test: {
          name: 'two-kernels',
          retry: AGAIN,
          include: PRIVILEGED['two-kernels'],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          ...ONE_AT_A_TIME,
        },
      },
      {
        extends: true,
        test: {
          name: 'browser',
          retry: AGAIN,
          include: PRIVILEGED.browser,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          ...ONE_AT_A_TIME,
        },
      },
    ],
  },
});
