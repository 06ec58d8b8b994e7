/** The native addon, typed: flat functions over opaque handles, no checks. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { BpfError, errnoName } from './error.js';

declare const handleKind: unique symbol;
/** An opaque native handle; the addon refuses one of another kind. */
export interface NativeHandle<Kind extends string> {
  readonly [handleKind]: Kind;
}
export type NativeObject = NativeHandle<'object'>;
export type NativeMap = NativeHandle<'map'>;
export type NativeLink = NativeHandle<'link'>;
export type NativeRing = NativeHandle<'ring'>;
export type NativeBtf = NativeHandle<'btf'>;

export interface NativeProgramEntry {
  name: string;
  section: string;
  type: number;
  attachType: number;
  autoload: boolean;
}

export interface NativeMapEntry {
  name: string;
  type: number;
  keySize: number;
  valueSize: number;
  maxEntries: number;
}

export interface NativeConstant {
  map: number;
  offset: number;
  size: number;
  kind: 'integer' | 'boolean' | 'bytes';
  signed: boolean;
}

export interface NativeBatch {
  count: number;
  keys: Uint8Array;
  values: Uint8Array;
  cursor: Uint8Array | null;
  batched: boolean;
}

export interface NativeProgramInfo {
  id: number;
  tag: string;
  type: number;
  name: string;
  loadTimeNs: bigint;
  runTimeNs: bigint;
  runCount: bigint;
  recursionMisses: bigint;
  verifiedInstructions: number;
  translatedBytes: number;
  jitedBytes: number;
}

export interface NativeRun {
  returnValue: number;
  durationNs: number;
  data: Uint8Array;
  context: Uint8Array;
}

export interface NativeLinkInfo {
  id: number;
  type: number;
  programId: number;
  netfilter: { family: number; hook: number; priority: number; flags: number } | null;
  tcx: { ifindex: number; attachType: number } | null;
}

export interface NativeMember {
  name: string;
  offset: number;
  size: number;
  type: string;
  count?: number;
  bitOffset?: number;
  bitSize?: number;
  struct?: NativeLayout;
}

export interface NativeLayout {
  size: number;
  members: NativeMember[];
}

export interface NativeProbe {
  errno: number;
  step: string;
}

interface Addon {
  setErrorFactory(
    make: (
      operation: string,
      errno: number,
      code: string | null,
      detail: string,
      log: string | null,
    ) => BpfError,
  ): void;
  close(handle: NativeHandle<string>): void;

  objectOpen(source: string | Uint8Array, name: string | null): NativeObject;
  objectPrograms(object: NativeObject): NativeProgramEntry[];
  objectMaps(object: NativeObject): NativeMapEntry[];
  objectLoad(object: NativeObject): void;
  objectLoadAsync(object: NativeObject): Promise<void>;
  objectFindConstant(object: NativeObject, name: string): NativeConstant | null;
  objectWriteInitial(object: NativeObject, map: number, offset: number, value: Uint8Array): void;

  programSetAutoload(object: NativeObject, program: number, on: boolean): void;
  programSetType(object: NativeObject, program: number, type: number, attachType: number): void;
  programSetAttachTarget(object: NativeObject, program: number, name: string): void;
  programInfo(object: NativeObject, program: number): NativeProgramInfo;
  programDescriptor(object: NativeObject, program: number): number;
  runDescriptor(descriptor: number, context: Uint8Array): number;
  programRun(
    object: NativeObject,
    program: number,
    data: Uint8Array | null,
    context: Uint8Array | null,
    repeat: number,
    cpu: number | null,
    netns: string | null,
  ): NativeRun;

  attachNetfilter(
    object: NativeObject,
    program: number,
    family: number,
    hook: number,
    priority: number,
    flags: number,
    netns: string | null,
  ): NativeLink;
  attachTcx(
    object: NativeObject,
    program: number,
    ifindex: number,
    attachType: number,
    flags: number,
    netns: string | null,
  ): NativeLink;
  attachTcxAsync(
    object: NativeObject,
    program: number,
    ifindex: number,
    attachType: number,
    flags: number,
    netns: string | null,
  ): Promise<NativeLink>;
  attachPacket(
    object: NativeObject,
    program: number,
    ifindex: number,
    outgoing: boolean,
    linkHeader: boolean,
    netns: string | null,
  ): NativeLink;
  attachTrace(object: NativeObject, program: number): NativeLink;
  attachRawTracepoint(object: NativeObject, program: number, name: string): NativeLink;
  attachTracepoint(
    object: NativeObject,
    program: number,
    category: string,
    name: string,
  ): NativeLink;
  /** `detach`: also where other descriptors of it are open. */
  linkCloseAsync(link: NativeLink, detach: boolean): Promise<void>;
  linkAdopt(descriptor: number): [handle: NativeLink, type: number];
  linkDescriptor(link: NativeLink): number;
  linkInfo(link: NativeLink): NativeLinkInfo;
  linkInfoAsync(link: NativeLink): Promise<NativeLinkInfo>;
  linkUpdate(link: NativeLink, object: NativeObject, program: number): void;
  enableStats(): NativeLink;

  mapSetMaxEntries(object: NativeObject, map: number, entries: number): number;
  mapReuse(object: NativeObject, map: number, other: NativeMap): number;
  mapAdopt(
    descriptor: number,
  ): [
    handle: NativeMap,
    name: string,
    type: number,
    keySize: number,
    valueSize: number,
    maxEntries: number,
  ];
  mapDescriptor(map: NativeMap): number;
  mapOpen(object: NativeObject, map: number): NativeMap;
  mapValueBytes(map: NativeMap): number;
  mapGet(map: NativeMap, key: Uint8Array): Uint8Array | null;
  mapPut(map: NativeMap, key: Uint8Array, value: Uint8Array, flags: number): void;
  mapDelete(map: NativeMap, key: Uint8Array): boolean;
  mapNextKey(map: NativeMap, key: Uint8Array | null): Uint8Array | null;
  mapReadBatch(
    map: NativeMap,
    limit: number,
    remove: boolean,
    cursor: Uint8Array | null,
    batched: boolean,
  ): NativeBatch;

  mapFillBatch(
    map: NativeMap,
    remove: boolean,
    keys: Uint8Array,
    values: Uint8Array,
    cursor: Uint8Array,
    state: Uint32Array,
  ): void;
  mapTakeKeys(map: NativeMap, keys: Uint8Array, values: Uint8Array, count: number): number;

  ringOpen(map: NativeMap): NativeRing;
  ringDrain(ring: NativeRing, target: Uint8Array, counts: Uint32Array): void;
  ringAvailable(ring: NativeRing): number;

  btfKernel(): NativeBtf;
  btfModule(name: string, kernel: NativeBtf | null): NativeBtf;
  btfFromObject(path: string): NativeBtf;
  btfHasType(btf: NativeBtf, kind: number, name: string): boolean;
  btfEnumValues(btf: NativeBtf, name: string): [string, bigint][] | null;
  btfStructLayout(btf: NativeBtf, name: string): NativeLayout | null;

  compilePacketFilter(expression: string, linkType: number, snapLength: number): Uint32Array;
  pcapVersion(): string;

  probeNetfilter(): NativeProbe;
  probeTcx(): NativeProbe;
  probeTracing(attachType: number, target: string): NativeProbe;
  probeProgramType(type: number, attachType: number): NativeProbe;
  probeMapType(
    type: number,
    keySize: number,
    valueSize: number,
    maxEntries: number,
    flags: number,
  ): NativeProbe;
  probeHelper(programType: number, helper: number): NativeProbe;
  probeMapBatch(): NativeProbe;
  probeStats(): NativeProbe;
  boundMalloc(bytes: number, arenas: number): boolean;
  netnsIdentity(path: string): readonly [inode: bigint, cookie: bigint, owner: number];
  queryNetns(
    path: string,
    requests: readonly (readonly [
      protocol: number,
      type: number,
      flags: number,
      body: Uint8Array,
    ])[],
    files: readonly string[],
    limit: number,
  ): Promise<
    readonly [
      answers: readonly (readonly [errno: number, interrupted: boolean, data: Uint8Array])[],
      files: readonly (readonly [errno: number, data: Uint8Array])[],
    ]
  >;
  netnsIds(path: string, others: readonly string[]): Promise<number[]>;
  socketPair(): [number, number];
  sendDescriptors(socket: number, descriptors: Int32Array): void;
  receiveDescriptors(socket: number): number[];
  confine(user: number, capabilities: bigint, filter: boolean): void;
  sendUnixDatagram(address: string, data: Uint8Array, descriptors: Int32Array): void;
  sendEchoProbe(
    path: string,
    source: string,
    destination: string,
    size: number,
    id: number,
    sequence: number,
    waitMs: number,
  ): Promise<
    readonly [outcome: number, errno: number, isLocal: boolean, mtu: number, from: string]
  >;
  libbpfVersion(): string;
  possibleCpus(): number;
}

function loadAddon(): Addon {
  const path = fileURLToPath(new URL('../build/Release/ebpf.node', import.meta.url));
  let loaded: Addon;
  try {
    loaded = createRequire(import.meta.url)(path) as Addon;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BpfError(
      'import',
      0,
      'BPF_ADDON_MISSING',
      `cannot load ${path} (${reason}); run "npm run build" in the package ebpf-ts`,
      null,
    );
  }
  loaded.setErrorFactory(
    (operation, errno, code, detail, log) =>
      new BpfError(operation, errno, code ?? errnoName(errno), detail, log),
  );
  return loaded;
}

export const addon: Addon = loadAddon();
