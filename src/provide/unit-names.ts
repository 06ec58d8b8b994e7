import { readFile } from 'node:fs/promises';
import type { FoundNamespace } from '../source/namespace-watcher.js';
import {
  type NameFacts,
  type NameProvider,
  type NamespaceFact,
  NO_FACTS,
} from './name-provider.js';

/** A unit's part of a path in the cgroup file system, the innermost last (systemd.unit(5)). */
const UNIT = /([A-Za-z0-9:_.@\\-]{1,255}\.(?:service|scope))(?:\/|$)/gu;
/** What a container runtime calls its cgroups is of no use to a reader. */
const MACHINE_MADE = /^(?:cri-containerd|crio|docker|libpod|session|init)[-.].*$/u;

/** Names namespaces of processes that nobody else knows after their unit of systemd. */
export class UnitNames implements NameProvider {
  readonly name = 'unit';
  /** By number: what a namespace is of does not change. */
  #known = new Map<number, string | null>();

  async read(found: readonly FoundNamespace[]): Promise<NameFacts> {
    const known = new Map<number, string | null>();
    for (const { netns, name, path } of found) {
      if (name !== null) continue;
      const before = this.#known.get(netns);
      known.set(netns, before === undefined ? await unitOf(path) : before);
    }
    this.#known = known;
    const namespaces = [...known].flatMap(([netns, name]): NamespaceFact[] =>
      name === null ? [] : [{ netns, name }],
    );
    return { ...NO_FACTS, namespaces };
  }
}

async function unitOf(path: string): Promise<string | null> {
  const pid = /^\/proc\/(\d+)\//u.exec(path)?.[1];
  if (pid === undefined) return null;
  try {
    return unitOfCgroups(await readFile(`/proc/${pid}/cgroup`, 'utf8'));
  } catch {
    // It has ended.
    return null;
  }
}

/** The unit in the text of /proc/PID/cgroup (cgroups(7)); null without one worth a name. */
export function unitOfCgroups(text: string): string | null {
  for (const line of text.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/u.exec(line) ?? [];
    // That of systemd is the unified hierarchy, or in the old layout a named one.
    if (path === undefined || (controllers !== '' && controllers !== 'name=systemd')) continue;
    const units = [...path.matchAll(UNIT)].map(([, unit]) => unit ?? '');
    const unit = units.at(-1);
    if (unit !== undefined && !MACHINE_MADE.test(unit)) return unit;
  }
  return null;
}
