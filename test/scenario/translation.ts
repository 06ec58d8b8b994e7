import type { Hook, PathRecord } from 'hopscope-protocol';
import { tupleText } from './judge-flow.js';

/**
 * The tuple of a packet at its observations in one hook of a namespace, each once:
 * more than one means that the hook rewrote it.
 */
export function tuplesAt(path: PathRecord, netns: string, hook: Hook): string[] {
  const texts = path.hops
    .filter((hop) => hop.stage === 'netfilter' && hop.netns === netns && hop.hook === hook)
    .map(({ tuple }) => (tuple === null ? 'none' : tupleText(tuple)));
  return texts.filter((text, index) => text !== texts[index - 1]);
}

/** The priorities between which it was rewritten; `null` when it was not. */
export function rewrittenBetween(
  path: PathRecord,
  netns: string,
  hook: Hook,
): { readonly after: number | null; readonly before: number | null } | null {
  const hops = path.hops.filter(
    (hop) => hop.stage === 'netfilter' && hop.netns === netns && hop.hook === hook,
  );
  for (const [index, hop] of hops.entries()) {
    const next = hops[index + 1];
    if (next?.tuple == null || hop.tuple === null) continue;
    if (tupleText(hop.tuple) !== tupleText(next.tuple)) {
      return { after: hop.priority, before: next.priority };
    }
  }
  return null;
}
