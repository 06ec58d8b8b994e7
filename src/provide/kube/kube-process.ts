/**
 * Follows the API server in a process of its own: its client and its answers take memory and time
 * that packets must not wait for. Started by kube-names.ts, it ends with whoever started it.
 */
import { confine } from 'ebpf-ts';
import type { ObjectNames } from '../../name/kube-objects.js';
import { apiServer } from './api-server.js';
import { Cluster } from './cluster.js';

/** Its only argument, in JSON. */
export interface KubeRequest {
  /** null for the service account of the pod that this is in. */
  readonly kubeconfig: string | null;
  readonly node: string | null;
}

/** What it says. */
export interface KubeReport {
  /** By key of the object; null when it is gone. */
  readonly names: readonly (readonly [key: string, names: ObjectNames | null])[];
  /** Wall-clock milliseconds when the server last spoke of the resource it spoke of longest ago. */
  readonly contact: number | null;
  readonly faults: readonly string[];
}

/** Names of one report, so that whoever gets it is not kept long, and the time between two. */
const REPORT_NAMES = 500;
const REPORT_MS = 100;

// It parses what comes from elsewhere, and needs no more than files of its user and a connection.
confine({ keep: [], filter: false });

const request = JSON.parse(process.argv[2] ?? '{}') as KubeRequest;
const waiting = new Map<string, ObjectNames | null>();
const contacts = new Map<string, number>();
const faults = new Map<string, string>();
const RESOURCES = 4;

const cluster = new Cluster(apiServer(request.kubeconfig), request.node, {
  onNames: (key, names) => {
    waiting.delete(key);
    waiting.set(key, names);
  },
  onContact: (resource) => contacts.set(resource, Date.now()),
  onFault: (resource, fault) => {
    if (fault === null) faults.delete(resource);
    else faults.set(resource, `${resource}: ${fault}`);
  },
});

let said = '';
function report(): void {
  const names: [string, ObjectNames | null][] = [];
  let room = REPORT_NAMES;
  for (const [key, each] of waiting) {
    if (room <= 0) break;
    room -= 1 + (each === null ? 0 : each.endpoints.length + each.services.length);
    names.push([key, each]);
    waiting.delete(key);
  }
  const contact = contacts.size < RESOURCES ? null : Math.min(...contacts.values());
  const state = { contact, faults: [...faults.values()] };
  const text = JSON.stringify(state);
  if (names.length === 0 && text === said) return;
  said = text;
  process.send?.({ names, ...state } satisfies KubeReport);
}

setInterval(report, REPORT_MS);
process.on('disconnect', () => process.exit(0));
await cluster.run();
