import { type FlowRow, flowTags } from 'hopscope-protocol';
import { type NameChange, servicePlace } from '../name/cluster-names.js';
import type { Names } from '../name/names.js';
import { tagsOf } from './flow-row.js';

/** What a row's names depend on, besides what it shows. */
export interface NamedBy {
  /** When the flow began, monotonic milliseconds. */
  readonly began: number;
  /** Where it was seen first and last; null where that is not known. */
  readonly netns: readonly [number | null, number | null];
}

/** What has names in a row. */
export type RowEnds = Pick<FlowRow, 'proto' | 'src' | 'dst' | 'dnat'>;

export type RowNames = Pick<
  FlowRow,
  'service' | 'srcName' | 'srcNode' | 'dstName' | 'dstNode' | 'tags'
>;

/** The names of a row, as far as they are known by now. */
export function rowNames(row: RowEnds, { began, netns }: NamedBy, names: Names): RowNames {
  const { proto, src, dst, dnat } = row;
  const from = names.endpoint(src.address, netns[0], began);
  const to = names.endpoint(dnat?.address ?? dst.address, netns[1], began);
  const original = { protocolName: proto, dst: dst.address, dport: dst.port ?? -1 };
  const service = names.service(original, dnat !== null, began);
  return {
    service,
    ...{ srcName: from.name, srcNode: from.node },
    ...{ dstName: to.name, dstNode: to.node },
    ...tagsOf(flowTags([from, to], service)),
  };
}

/** Addresses and places of services whose names have changed. */
export class ChangedNames {
  #isAll = false;
  readonly #changed = new Set<string>();

  get isEmpty(): boolean {
    return !this.#isAll && this.#changed.size === 0;
  }

  /** Any name may have changed. */
  addAll(): void {
    this.#isAll = true;
  }

  add({ anew, endpoints, services }: NameChange): void {
    if (anew === true) this.#isAll = true;
    if (this.#isAll) return;
    for (const [address] of endpoints) this.#changed.add(address);
    for (const [place] of services) this.#changed.add(place);
  }

  concern({ proto, src, dst, dnat }: RowEnds): boolean {
    if (this.#isAll) return true;
    const changed = this.#changed;
    return (
      changed.has(src.address) ||
      changed.has(dst.address) ||
      (dnat !== null && changed.has(dnat.address)) ||
      changed.has(servicePlace(proto, dst.address, dst.port ?? -1)) ||
      changed.has(servicePlace(proto, null, dst.port ?? -1))
    );
  }
}
