import type { PacketFilter } from '../filter/packet-filter.js';
import type { DeviceTable } from './device-table.js';
import type { JoinCounters } from './join-counters.js';
import type { OpenPaths } from './open-paths.js';
import type { PlaceTable } from './place.js';
import type { ProxyLinker } from './proxy-linker.js';
import type { KernelNames } from './socket-end.js';
import type { TupleTable } from './tuple-table.js';
import type { Windows } from './windows.js';

/** What the parts of the joiner share. */
export interface JoinState {
  readonly open: OpenPaths;
  readonly devices: DeviceTable;
  readonly places: PlaceTable;
  readonly tuples: TupleTable;
  readonly proxyLinker: ProxyLinker;
  readonly counters: JoinCounters;
  readonly names: KernelNames;
  readonly filter: PacketFilter | null;
  readonly windows: Windows;
}
