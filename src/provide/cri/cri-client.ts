import {
  type Client,
  credentials,
  makeGenericClientConstructor,
  type ServiceDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import type { ContainerRuntime, Sandbox, SandboxNetwork } from '../container-runtime.js';

/** Of one answer. */
const DEADLINE_MS = 1_000;
const ANSWER_BYTES = 16 << 20;

/**
 * What is asked of the Container Runtime Interface (kubernetes, cri-api, pkg/apis/runtime/v1),
 * with the numbers its fields have there. Other fields are skipped.
 */
const PROTOCOL = `
syntax = "proto3";
package runtime.v1;
message ListPodSandboxRequest {}
message ListPodSandboxResponse { repeated PodSandbox items = 1; }
message PodSandbox {
  string id = 1;
  PodSandboxMetadata metadata = 2;
  int32 state = 3;
  int64 created_at = 4;
  map<string, string> labels = 5;
}
message PodSandboxMetadata { string name = 1; string uid = 2; string namespace = 3; }
message PodSandboxStatusRequest { string pod_sandbox_id = 1; bool verbose = 2; }
message PodSandboxStatusResponse { PodSandboxStatus status = 1; map<string, string> info = 2; }
message PodSandboxStatus { PodSandboxNetworkStatus network = 5; LinuxPodSandboxStatus linux = 6; }
message PodSandboxNetworkStatus { string ip = 1; repeated PodIP additional_ips = 2; }
message PodIP { string ip = 1; }
message LinuxPodSandboxStatus { Namespace namespaces = 1; }
message Namespace { NamespaceOption options = 2; }
message NamespaceOption { int32 network = 1; }
`;

/** SANDBOX_READY. */
const READY = 0;
/** NamespaceMode NODE: the sandbox is in the namespace of its node. */
const OF_NODE = 2;

interface Message {
  readonly request: string;
  readonly response: string;
}

const CALLS = {
  ListPodSandbox: { request: 'ListPodSandboxRequest', response: 'ListPodSandboxResponse' },
  PodSandboxStatus: { request: 'PodSandboxStatusRequest', response: 'PodSandboxStatusResponse' },
} as const satisfies Readonly<Record<string, Message>>;

type Fields = Readonly<Record<string, unknown>>;

/** Asks containerd, CRI-O or another runtime for its pods. */
export class CriClient implements ContainerRuntime {
  readonly #client: Client;
  readonly #call: (name: keyof typeof CALLS, request: object) => Promise<Fields>;

  /** @param socket path of the runtime's unix socket */
  constructor(socket: string) {
    const root = protobuf.parse(PROTOCOL).root;
    const service: Record<string, ServiceDefinition[string]> = {};
    for (const [name, { request, response }] of Object.entries(CALLS)) {
      const [asked, answered] = [request, response].map((type) =>
        root.lookupType(`runtime.v1.${type}`),
      );
      service[name] = {
        path: `/runtime.v1.RuntimeService/${name}`,
        requestStream: false,
        responseStream: false,
        requestSerialize: (value: object) => Buffer.from(asked?.encode(value).finish() ?? []),
        requestDeserialize: (bytes) => bytes,
        responseSerialize: (value: Uint8Array) => Buffer.from(value),
        responseDeserialize: (bytes) =>
          answered === undefined
            ? {}
            : answered.toObject(answered.decode(bytes), { longs: String, defaults: true }),
      };
    }
    const Runtime = makeGenericClientConstructor(service, 'RuntimeService');
    const client = new Runtime(`unix://${socket}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': ANSWER_BYTES,
      // What the runtime checks is who opens the socket.
      'grpc.default_authority': 'localhost',
    });
    this.#client = client;
    this.#call = (name, request) =>
      new Promise((resolve, reject) => {
        const definition = service[name];
        if (definition === undefined) return reject(new TypeError(name));
        client.makeUnaryRequest(
          definition.path,
          definition.requestSerialize,
          definition.responseDeserialize,
          request,
          { deadline: Date.now() + DEADLINE_MS },
          (error: ServiceError | null, value?: unknown) =>
            error === null ? resolve((value ?? {}) as Fields) : reject(error),
        );
      });
  }

  /** @throws ServiceError */
  async sandboxes(): Promise<Sandbox[]> {
    const { items } = await this.#call('ListPodSandbox', {});
    return listOf(items).map((item) => {
      const metadata = fieldsOf(item['metadata']);
      return {
        id: textOf(item['id']),
        name: textOf(metadata['name']),
        namespace: textOf(metadata['namespace']),
        labels: textsOf(item['labels']),
        createdMs: Number(textOf(item['createdAt'])) / 1e6,
        isReady: item['state'] === READY,
      };
    });
  }

  /** @throws ServiceError */
  async network(id: string): Promise<SandboxNetwork> {
    const said = await this.#call('PodSandboxStatus', { podSandboxId: id, verbose: true });
    const status = fieldsOf(said['status']);
    const network = fieldsOf(status['network']);
    const namespaces = fieldsOf(fieldsOf(status['linux'])['namespaces']);
    const ips = [network['ip'], ...listOf(network['additionalIps']).map(({ ip }) => ip)];
    return {
      ips: ips.map(textOf).filter((ip) => ip !== ''),
      isShared: fieldsOf(namespaces['options'])['network'] === OF_NODE,
      startedMs: null,
      paths: pathsOf(textsOf(said['info'])['info'] ?? ''),
    };
  }

  close(): void {
    this.#client.close();
  }
}

/** Both containerd and CRI-O add the pid and the OCI runtime's specification, as JSON. */
function pathsOf(info: string): string[] {
  let parsed: Fields;
  try {
    parsed = fieldsOf(JSON.parse(info));
  } catch {
    return [];
  }
  const { pid, runtimeSpec } = parsed;
  const linux = fieldsOf(fieldsOf(runtimeSpec)['linux']);
  const given = listOf(linux['namespaces'])
    .filter(({ type }) => type === 'network')
    .map(({ path }) => textOf(path));
  const ofProcess = Number.isSafeInteger(pid) && (pid as number) > 0 ? [`/proc/${pid}/ns/net`] : [];
  return [...ofProcess, ...given.filter((path) => path.startsWith('/'))];
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : {};
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function textsOf(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(fieldsOf(value)).map(([k, v]) => [k, textOf(v)]));
}
