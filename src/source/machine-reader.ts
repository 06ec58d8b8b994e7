import { readPrivileges } from '../doctor/privileges.js';
import { explainRefusal, missingCapabilities, type Needs } from '../doctor/refusal.js';
import { UnsupportedError } from '../model/errors.js';
import type { NetworkDescription, ReadingProblem } from '../network/description.js';
import { NamespaceWatcher } from './namespace-watcher.js';
import { readNetwork } from './network-reader.js';
import { ObservedNamespaces } from './observed-namespaces.js';

/** setns(2) into a network namespace. */
const ENTERING: Needs = [['CAP_SYS_ADMIN']];

/**
 * Describes the machine's network namespaces, or those of them that are asked for.
 *
 * @param wanted names under /run/netns, and `host` for this process's own; `null` for all
 * @throws UnsupportedError `NAMESPACES_NOT_PERMITTED`; UsageError `NETNS_NOT_FOUND`
 */
export async function readMachine(wanted: readonly string[] | null): Promise<NetworkDescription> {
  const privileges = await readPrivileges();
  if (missingCapabilities(privileges, ENTERING).length > 0) {
    const { because, remedy } = explainRefusal(privileges, ENTERING);
    throw new UnsupportedError(
      'NAMESPACES_NOT_PERMITTED',
      `this process may not enter network namespaces: ${because}`,
      remedy,
    );
  }
  const observed = new ObservedNamespaces(wanted);
  const found = observed.scan(true);
  observed.requireNamed(found);
  const { namespaces, problems } = await readNetwork(found.values(), NamespaceWatcher.own().netns);
  const refused = [...observed.refused].map(([inode, { code, path }]): ReadingProblem => {
    const message = `this process may not enter ${path}: ${code}`;
    return { code: 'NAMESPACE_NOT_READ', netns: `net:[${inode}]`, message };
  });
  return { namespaces, problems: [...problems, ...(wanted === null ? refused : [])] };
}
