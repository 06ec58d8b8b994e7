/** TypeScript bindings for libbpf. */
export { boundMalloc, type MallocBounds } from './allocator.js';
export {
  Btf,
  type StructLayout,
  type StructMember,
} from './btf.js';
export { CAPABILITIES, type CapabilityName, type Confinement, confine } from './confine.js';
export { sendUnixDatagram } from './datagram.js';
export {
  DESCRIPTORS_MAX,
  receiveDescriptors,
  sendDescriptors,
  socketPair,
} from './descriptors.js';
export {
  type EchoProbe,
  type EchoResult,
  PROBE_SIZE_MAX,
  PROBE_WAIT_MAX_MS,
  sendEchoProbe,
} from './echo-probe.js';
export { BpfError } from './error.js';
export type {
  AttachTypeName,
  BtfKindName,
  MapTypeName,
  ProgramTypeName,
} from './kernel-names.js';
export { adoptLink, enableStats, Link, type LinkInfo } from './link.js';
export {
  adoptMap,
  type Batch,
  BpfMap,
  READ_BATCH_BYTES_MAX,
  READ_BATCH_LIMIT,
  type ReadBatchOptions,
} from './map.js';
export type { MapBatch } from './map-batch.js';
export { type NetnsIdentity, netnsIdentity } from './netns-identity.js';
export {
  type NetlinkAnswer,
  type NetlinkRequest,
  type NetnsAnswers,
  type NetnsFile,
  netnsIds,
  QUERY_BYTES_MAX,
  QUERY_PARTS_MAX,
  queryNetns,
} from './netns-query.js';
export { BpfObject, type OpenOptions } from './object.js';
export {
  type ClassicInstruction,
  compilePacketFilter,
  EXPRESSION_MAX,
  type PacketFilterOptions,
} from './packet-filter.js';
export {
  type Feature,
  type Features,
  kernelRelease,
  libbpfVersion,
  pcapVersion,
  possibleCpus,
  probe,
  probeProgramType,
  probeTcx,
} from './probe.js';
export {
  type NetfilterFamily,
  type NetfilterHook,
  type NetfilterOptions,
  type PacketOptions,
  Program,
  type ProgramInfo,
  RUN_INPUT_MAX,
  type RunOptions,
  type RunResult,
  runDescriptor,
  type TcxOptions,
} from './program.js';
export {
  DRAIN_TARGET_MAX,
  type Drained,
  RECORD_HEADER_BYTES,
  RingBuffer,
} from './ring-buffer.js';
