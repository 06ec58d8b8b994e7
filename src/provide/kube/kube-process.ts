/**
 * Follows the API server in a process of its own: its client and its answers take memory and time
 * that packets must not wait for. Started by kube-names.ts, it ends with whoever started it.
 */
import { confine } from 'ebpf-ts';
import type { NameChange } from '../../name/cluster-names.js';
import { apiServer } from './api-server.js';
import { Cluster } from './cluster.js';
import { type Clocks, NameTable } from './name-table.js';

/** Its only argument, in JSON. */
export interface KubeRequest {
  /** null for the service account of the pod that this is in. */
  readonly kubeconfig: string | null;
  readonly node: string | null;
  /** Whether another was there before: what that one said holds until all is known anew. */
  readonly isAgain: boolean;
}

/** What it says. */
export interface KubeReport {
  /** Null where no name has changed. */
  readonly change: NameChange | null;
  /** Wall-clock milliseconds when the server last spoke of the resource it spoke of longest ago. */
  readonly contact: number | null;
  readonly faults: readonly string[];
  /** Objects of each resource past the limit. */
  readonly leftOut: Readonly<Record<string, number>>;
}

/**
 * Groups of one report, which take whoever gets them some 5 ms, and the time between two: all of
 * 100,000 pods are there after seconds, and packets are joined meanwhile.
 */
const REPORT_GROUPS = 500;
const REPORT_MS = 25;

// It parses what comes from elsewhere, and needs no more than files of its user and a connection.
confine({ keep: [], filter: false });

const request = JSON.parse(process.argv[2] ?? '{}') as KubeRequest;
const table = new NameTable();
const contacts = new Map<string, number>();
const faults = new Map<string, string>();
const RESOURCES = 4;

const cluster = new Cluster(apiServer(request.kubeconfig), request.node, {
  onNames: (key, names) => table.put(key, names, clocks()),
  onContact: (resource) => contacts.set(resource, Date.now()),
  onFault: (resource, fault) => {
    if (fault === null) faults.delete(resource);
    else faults.set(resource, `${resource}: ${fault}`);
  },
});

function clocks(): Clocks {
  return { monotonicMs: Number(process.hrtime.bigint()) / 1e6, wallMs: Date.now() };
}

let said = '';
let isAnew = request.isAgain;
function report(): void {
  const contact = contacts.size < RESOURCES ? null : Math.min(...contacts.values());
  const state = { contact, faults: [...faults.values()], leftOut: table.leftOut };
  const text = JSON.stringify(state);
  const hasNames = table.waiting > 0 && !(isAnew && contact === null);
  if (!hasNames && text === said) return;
  said = text;
  let change: NameChange | null = null;
  if (hasNames) {
    change = { ...(isAnew ? { anew: true } : {}), ...table.take(REPORT_GROUPS) };
    isAnew = false;
  }
  process.send?.({ change, ...state } satisfies KubeReport);
}

setInterval(report, REPORT_MS);
process.on('disconnect', () => process.exit(0));
await cluster.run();
