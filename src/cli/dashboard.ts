import { hostname, release } from 'node:os';
import { log } from '../logger.js';
import { Pipeline } from '../pipeline.js';
import type { Access } from '../serve/listening.js';
import type { Reach } from '../serve/reach.js';
import { ServerProcess } from '../serve/server-process.js';
import type { Source } from '../source/source.js';
import { VERSION } from '../version.js';
import type { CommonOptions } from './options.js';
import { UI_DIRECTORY } from './own-files.js';

export interface DashboardOptions {
  readonly source: Source;
  readonly options: Pick<CommonOptions, 'filter' | 'netns' | 'memory'>;
  /** Whether the source leaves some namespaces out on purpose; absent: as the options say. */
  readonly namespaceFiltered?: boolean;
  readonly mode: 'live' | 'replay' | 'demo';
  readonly description: string;
  readonly host: string;
  readonly port: number;
  readonly allowHosts: readonly string[];
  readonly access: Access | null;
  readonly isTokenNew: boolean;
  /** How the server process comes to its files; absent: by their paths. */
  readonly reach?: () => Reach;
  /** Given what starts the server and reports the port taken, before the source starts. */
  readonly onListen?: (listen: () => Promise<number>) => void;
}

export interface Dashboard {
  readonly pipeline: Pipeline;
  readonly server: ServerProcess;
  stop(): Promise<void>;
}

/** A source, its pipeline, and the process that shows what they see. */
export async function startDashboard(settings: DashboardOptions): Promise<Dashboard> {
  const { source, options, mode, description, host, port, allowHosts, access } = settings;
  const pipeline = new Pipeline(source, {
    filter: options.filter,
    namespaceFiltered: settings.namespaceFiltered ?? options.netns !== null,
    memory: options.memory,
    keepEnded: true,
  });
  const started: { server?: Promise<ServerProcess> } = {};
  const serve = (): Promise<ServerProcess> => {
    started.server ??= ServerProcess.start({
      collected: {
        feed: pipeline,
        flows: pipeline.flows,
        epochNs: pipeline.epoch.monotonicNs,
        names: pipeline.names,
        catalog: () => pipeline.names.remembered,
        cluster: pipeline.names.cluster,
      },
      uiDirectory: UI_DIRECTORY,
      reach: settings.reach,
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
      access,
      rowBytes: options.memory.rows,
      onWarning: (event, message, fields) => log.warn(event, message, { fields }),
      onOutput: (line) => log.warn('server-output', line, { text: [line] }),
    });
    return started.server;
  };
  // The port it really has is left out of what is watched, from the first packet on: the
  // source asks for it when there is a processor to spare, and fails as the server does.
  settings.onListen?.(async () => (await serve()).port);
  if (access !== null && settings.isTokenNew) {
    log.info('token', `the token, shown this once: ${access.token}`, {
      fields: { token: access.token },
    });
  }
  let server: ServerProcess;
  try {
    // A recording gives all it has at once, and would keep the server's answer waiting.
    if (mode === 'replay') await serve();
    await pipeline.start();
    server = await serve();
  } catch (error) {
    const half = await started.server?.catch(() => null);
    await half?.close();
    await pipeline.stop();
    throw error;
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
