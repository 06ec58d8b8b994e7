import type { Options } from './option.js';

/** Options that say where names come from. */
export const NAME_OPTIONS = {
  names: {
    type: 'string',
    takes: 'FILE',
    help: 'names of namespaces, addresses and services from FILE, JSON, followed as it changes; they win over all others',
    file: { type: 'string' },
  },
  cri: {
    type: 'string',
    takes: 'SOCKET',
    help: "names of pods from the container runtime's socket: auto (the default): containerd's or CRI-O's usual one; off",
    file: { type: 'string' },
  },
} as const satisfies Options;

export interface NameOptions {
  /** A file with names. */
  readonly file: string | null;
  /** Sockets of container runtimes to ask, those of them that are there; null for the usual ones. */
  readonly cri: readonly string[] | null;
}

export interface ParsedNames {
  readonly names?: string;
  readonly cri?: string;
}

export function nameOptions({ names, cri = 'auto' }: ParsedNames): NameOptions {
  return {
    file: names ?? null,
    cri: cri === 'auto' ? null : cri === 'off' ? [] : [cri],
  };
}
