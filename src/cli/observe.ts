import type { PacketFilter } from '../filter/packet-filter.js';
import { log } from '../logger.js';
import { ObservedSource, type ObservedSourceOptions } from '../observe/observed-source.js';
import { Joiner } from './joiner.js';
import { requireMemory } from './memory-room.js';
import type { CommonOptions } from './options.js';
import { boundUnusedMemory } from './unused-memory.js';

const NOTHING = { missing: [] } as const;

interface SourceChoices extends Pick<ObservedSourceOptions, 'onMode'> {
  /** What leaves packets out in the kernel; that of the options when absent. */
  readonly filter?: PacketFilter | null;
  /** Whether rules are read. */
  readonly rules?: boolean;
  /** Whether MTUs are audited. */
  readonly audit?: boolean;
  /** Whether there will be a server. */
  readonly hasServer?: boolean;
}

/** The running kernel, of the process that joins. */
export function observedSource(
  options: CommonOptions,
  {
    onMode,
    filter = options.filter,
    rules = false,
    audit = false,
    hasServer = false,
  }: SourceChoices = {},
): ObservedSource {
  requireMemory(options.memory.total);
  boundUnusedMemory(options.memory.slack);
  const joiner = Joiner.own;
  return new ObservedSource({
    link: joiner.link,
    netns: options.netns,
    sampling: options.sampling,
    filter: filter?.expression ?? null,
    ringBytes: options.memory.ring,
    rules,
    audit,
    hasServer,
    names: options.names,
    // A filter is asked of packets, and the counter does not know it.
    count: options.filter === null,
    confine: () => joiner.confine(),
    ...(onMode === undefined ? {} : { onMode }),
  });
}

/** For a command that shows or keeps every packet: says once that it is not every packet. */
export function warnOfSampling({ sampling }: CommonOptions): Pick<SourceChoices, 'onMode'> {
  let isSaid = false;
  return {
    onMode: (mode) => {
      if (isSaid || mode !== 'windows' || sampling.mode !== 'auto') return;
      isSaid = true;
      log.warn(
        'sampling-windows',
        `sampling: every packet would cost more than ${+(sampling.budget * 100).toFixed(2)}% of a core, so they are seen in windows; --sample all sees them all`,
      );
    },
  };
}

/** Says where the dashboard is. */
export function announceDashboard(url: string): void {
  log.info('listening', `dashboard on ${url}`, { fields: { url } });
}

/** Says that every program is attached, in the word that scripts wait for. */
export function announceReady({
  missing,
}: {
  readonly missing: readonly string[];
} = NOTHING): void {
  for (const what of missing) {
    log.warn('not-seen', `not seen: ${what}`, { fields: { what } });
  }
  log.info('ready', 'ready', { text: ['ready'] });
}

export interface StopRequest {
  readonly signal: AbortSignal;
  /** Looks at signals no more. */
  end(): void;
}

/**
 * Aborts at SIGINT or SIGTERM; a second one ends the process at once. Ask for it
 * before anything is begun that must be undone.
 */
export function stopRequest(): StopRequest {
  const controller = new AbortController();
  function end(): void {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
  function stop(signal: NodeJS.Signals): void {
    log.info('stopping', `stopping at ${signal}`, { fields: { signal }, text: null });
    end();
    controller.abort();
  }
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return { signal: controller.signal, end };
}

/** Resolves when it is asked to stop, or when the time is over. */
export function untilStopped(stop: AbortSignal, durationMs: number | null): Promise<void> {
  return new Promise((resolve) => {
    const timer = durationMs === null ? null : setTimeout(done, durationMs);
    function done(): void {
      if (timer !== null) {
        clearTimeout(timer);
      }
      resolve();
    }
    if (stop.aborted) {
      done();
    } else {
      stop.addEventListener('abort', done, { once: true });
    }
  });
}
