import { hostname } from 'node:os';
import type { NameChoice } from '../provide/name-choice.js';
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
  docker: {
    type: 'string',
    takes: 'SOCKET',
    help: 'names of containers from the socket of Docker or Podman: auto (the default): the usual ones; off',
    file: { type: 'string' },
  },
  kubernetes: {
    type: 'string',
    takes: 'WHERE',
    help: 'names from the API server: auto (the default): in a pod, by its service account; a kubeconfig file; off',
    file: { type: 'string' },
  },
  'node-name': {
    type: 'string',
    takes: 'NAME',
    help: "this node's name in the cluster: of others no pods are followed. By default the host's name",
    file: { type: 'string' },
  },
} as const satisfies Options;

export interface ParsedNames {
  readonly names?: string;
  readonly cri?: string;
  readonly docker?: string;
  readonly kubernetes?: string;
  readonly 'node-name'?: string;
}

/** The same options for another command of hopscope. */
export function namesGiven({
  names,
  cri,
  docker,
  kubernetes,
  'node-name': node,
}: ParsedNames): string[] {
  return Object.entries({ names, cri, docker, kubernetes, 'node-name': node }).flatMap(
    ([option, value]) => (value === undefined ? [] : [`--${option}`, value]),
  );
}

export function nameOptions({
  names,
  cri = 'auto',
  docker = 'auto',
  kubernetes = 'auto',
  'node-name': node,
}: ParsedNames): NameChoice {
  return {
    kubernetes,
    node: node ?? hostname(),
    file: names ?? null,
    cri: socketsOf(cri),
    docker: socketsOf(docker),
  };
}

/** Null for the usual ones. */
function socketsOf(given: string): readonly string[] | null {
  if (given === 'auto') return null;
  return given === 'off' ? [] : [given];
}
