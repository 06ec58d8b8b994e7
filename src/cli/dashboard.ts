import { hostname, release } from 'node:os';
import { missingForTracing } from '../doctor/diagnose.js';
import { Pipeline } from '../pipeline.js';
import { ServerProcess } from '../serve/server-process.js';
import type { Source } from '../source/source.js';
import { VERSION } from '../version.js';
import { UI_DIRECTORY, warn } from './observe.js';
import type { CommonOptions } from './options.js';

export interface DashboardOptions {
  readonly source: Source;
  readonly options: Pick<CommonOptions, 'filter' | 'netns' | 'memory'>;
  readonly mode: 'live' | 'replay' | 'demo';
  readonly description: string;
  readonly host: string;
  readonly port: number;
  readonly allowHosts: readonly string[];
  /** Told the port taken, before anything is watched. */
  readonly onListen?: (port: number) => void;
}

export interface Dashboard {
  readonly pipeline: Pipeline;
  readonly server: ServerProcess;
  stop(): Promise<void>;
}

/** A source, its pipeline, and the process that shows what they see. */
export async function startDashboard(settings: DashboardOptions): Promise<Dashboard> {
  const { source, options, mode, description, host, port, allowHosts } = settings;
  const pipeline = new Pipeline(source, {
    filter: options.filter,
    limited: options.netns !== null,
    memory: options.memory,
  });
  // The server comes first: the port it really has is left out of what is watched.
  const server = await ServerProcess.start({
    collected: {
      feed: pipeline,
      flows: pipeline.flows,
      epochNs: pipeline.epoch.monotonicNs,
      catalog: () => pipeline.names.catalog,
    },
    uiDirectory: UI_DIRECTORY,
    info: {
      version: VERSION,
      node: hostname(),
      kernel: release(),
      mode,
      description,
      missing: source.missing,
    },
    host,
    port,
    allowHosts,
    rowBytes: options.memory.rows,
    onWarning: warn,
  });
  try {
    settings.onListen?.(server.port);
    await pipeline.start();
  } catch (error) {
    await server.close();
    throw error;
  }
  if (mode !== 'replay') {
    void missingForTracing().then((missing) => {
      pipeline.missing = missing;
    });
  }
  return {
    pipeline,
    server,
    stop: async () => {
      await server.close();
      await pipeline.stop();
    },
  };
}
