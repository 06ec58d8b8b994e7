import http from 'node:http';
import { isIP } from 'node:net';
import type { ContainerRuntime, Sandbox, SandboxNetwork } from '../container-runtime.js';

/** Of one answer. */
const DEADLINE_MS = 1_000;
const ANSWER_BYTES = 16 << 20;

type Fields = Readonly<Record<string, unknown>>;

/** What a kubelet by way of cri-dockerd puts on a container that holds a pod's network. */
const POD = {
  type: 'io.kubernetes.docker.type',
  name: 'io.kubernetes.pod.name',
  namespace: 'io.kubernetes.pod.namespace',
} as const;

/** Asks Docker, or Podman's service, by the Engine API (docs.docker.com/reference/api/engine). */
export class DockerClient implements ContainerRuntime {
  readonly #socket: string;
  readonly #limit: number;

  /**
   * @param socket path of a unix socket
   * @param limit bytes of one answer
   */
  constructor(socket: string, limit = ANSWER_BYTES) {
    this.#socket = socket;
    this.#limit = limit;
  }

  /** Errors: Error. */
  async sandboxes(): Promise<Sandbox[]> {
    const containers = await this.#get('/containers/json');
    if (!Array.isArray(containers)) throw new Error('it lists no containers');
    return containers.map(fieldsOf).map((container): Sandbox => {
      const { Id, Names, Labels, Created, State } = container;
      const labels = textsOf(Labels);
      const [given] = Array.isArray(Names) ? Names : [];
      const ofPod = labels[POD.type] === 'podsandbox' ? labels[POD.name] : undefined;
      return {
        id: textOf(Id),
        name: ofPod ?? textOf(given).replace(/^\//u, ''),
        namespace: ofPod === undefined ? null : (labels[POD.namespace] ?? null),
        labels,
        createdMs: createdMs(Created),
        isReady: State === 'running',
      };
    });
  }

  /** Errors: Error. */
  async network(id: string): Promise<SandboxNetwork> {
    const said = fieldsOf(await this.#get(`/containers/${encodeURIComponent(id)}/json`));
    const settings = fieldsOf(said['NetworkSettings']);
    const networks = Object.values(fieldsOf(settings['Networks'])).map(fieldsOf);
    const ips = [settings, ...networks].flatMap((each) => [
      textOf(each['IPAddress']),
      textOf(each['GlobalIPv6Address']),
    ]);
    const mode = textOf(fieldsOf(said['HostConfig'])['NetworkMode']);
    const { Pid: pid, StartedAt } = fieldsOf(said['State']);
    const startedMs = Date.parse(textOf(StartedAt));
    const key = textOf(settings['SandboxKey']);
    return {
      ips: [...new Set(ips.filter((ip) => isIP(ip) !== 0))],
      isShared: /^(?:host$|container:)/u.test(mode),
      startedMs: Number.isNaN(startedMs) ? null : startedMs,
      paths: [
        ...(Number.isSafeInteger(pid) && (pid as number) > 0 ? [`/proc/${pid}/ns/net`] : []),
        ...(key.startsWith('/') ? [key] : []),
      ],
    };
  }

  close(): void {
    // A connection is of one request.
  }

  async #get(path: string): Promise<unknown> {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    try {
      const { status, text } = await this.#answer(path, signal);
      if (status !== 200) throw new Error(`it answers with status ${status}`);
      return JSON.parse(text);
    } catch (error) {
      if (signal.aborted) throw new Error(`no answer within ${DEADLINE_MS} ms`);
      throw error;
    }
  }

  #answer(path: string, signal: AbortSignal): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const options = { socketPath: this.#socket, path, host: 'localhost', agent: false, signal };
      const request = http.get(options, (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > this.#limit) {
            reject(new Error(`an answer of more than ${this.#limit} bytes`));
            request.destroy();
          }
          chunks.push(chunk);
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
        response.on('error', reject);
      });
      request.on('error', reject);
    });
  }
}

/** Docker has seconds here, and so has Podman. */
function createdMs(created: unknown): number {
  return typeof created === 'number' ? created * 1_000 : Date.now();
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function textsOf(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(fieldsOf(value)).map(([k, v]) => [k, textOf(v)]));
}
