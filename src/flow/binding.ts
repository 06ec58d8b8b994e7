import type { Tuple } from '../join/tuple.js';
import type { DirectionIndex, Flow } from './flow.js';

/**
 * That a tuple, seen in a namespace, belongs to a flow. The namespace counts
 * because the same addresses may mean another connection elsewhere. Bindings hang
 * on the interned tuple itself, which makes the look-up a short walk.
 */
export interface Binding {
  readonly netns: number;
  readonly flow: Flow;
  readonly direction: DirectionIndex;
}

export function findBinding(tuple: Tuple, netns: number): Binding | null {
  const bindings = tuple.bindings as readonly Binding[] | null;
  if (bindings !== null) {
    for (const binding of bindings) {
      if (binding.netns === netns) {
        return binding;
      }
    }
  }
  return null;
}

/** Binds; an older binding of the same tuple and namespace gives way. */
export function bind(tuple: Tuple, binding: Binding): void {
  const bindings = (tuple.bindings ?? []) as readonly Binding[];
  tuple.bindings = [...bindings.filter((b) => b.netns !== binding.netns), binding];
  binding.flow.keys.push({ tuple, netns: binding.netns });
}

/** Takes every binding of a flow off its tuples. */
export function unbind(flow: Flow): void {
  for (const { tuple } of flow.keys) {
    const bindings = (tuple.bindings ?? []) as readonly Binding[];
    const left = bindings.filter((b) => b.flow !== flow);
    tuple.bindings = left.length === 0 ? null : left;
  }
  flow.keys.length = 0;
}
