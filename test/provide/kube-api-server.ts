import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A body as a kube-apiserver 1.37 gave it. */
export function recorded(name: string): string {
  return readFileSync(new URL(`kube-api/${name}.body`, import.meta.url), 'utf8');
}

/** The lines of a watch. */
export function recordedLines(name: string): string[] {
  return recorded(name)
    .split('\n')
    .filter((line) => line !== '');
}

export interface Watching {
  readonly path: string;
  readonly version: string | null;
  readonly response: ServerResponse;
}

const LISTS: Readonly<Record<string, string>> = {
  '/api/v1/nodes': 'nodes.list',
  '/api/v1/pods': 'pods.list-node',
  '/api/v1/services': 'services.list',
  '/apis/discovery.k8s.io/v1/endpointslices': 'endpointslices.list',
};

interface Identity {
  readonly key: string;
  readonly cert: string;
}

function selfSigned(): Identity {
  const folder = mkdtempSync(join(tmpdir(), 'hs-cert-'));
  const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
  try {
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
        ...['-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=kube-apiserver'],
        ...['-addext', 'subjectAltName=IP:127.0.0.1'],
      ],
      { stdio: 'ignore' },
    );
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** An API server that answers with recorded bytes; what it says on a watch is for the test to send. */
export class KubeApiServer {
  readonly #server: Server;
  /** Answers by path instead of the recorded list. */
  readonly answers = new Map<string, (response: ServerResponse, url: URL) => void>();
  readonly requests: string[] = [];
  watching: Watching[] = [];

  constructor(private readonly identity = selfSigned()) {
    this.#server = createServer(identity, (request, response) => this.#answer(request, response));
  }

  /** Another one by the same certificate. */
  next(): KubeApiServer {
    return new KubeApiServer(this.identity);
  }

  async start(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  kubeconfig(): string {
    return JSON.stringify({
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'test' },
      clusters: [
        {
          name: 'c',
          cluster: {
            server: `https://127.0.0.1:${this.port}`,
            'certificate-authority-data': Buffer.from(this.identity.cert).toString('base64'),
          },
        },
      ],
      users: [{ name: 'u', user: { token: 'secret' } }],
      contexts: [{ name: 'test', context: { cluster: 'c', user: 'u' } }],
    });
  }

  /** The newest watch of a path. */
  watch(path: string): Watching | undefined {
    return this.watching.filter((each) => each.path === path).at(-1);
  }

  /** Breaks every connection, and takes no more. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://host');
    this.requests.push(request.url ?? '');
    const path = url.pathname;
    const isWatch = url.searchParams.get('watch') === '1';
    const special = this.answers.get(isWatch ? `watch ${path}` : path);
    if (special !== undefined) {
      special(response, url);
      return;
    }
    const list = LISTS[path];
    if (request.headers.authorization !== 'Bearer secret') {
      response.writeHead(401).end(recorded('unauthorized'));
    } else if (list === undefined) {
      response.writeHead(404).end('{}');
    } else if (isWatch) {
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      const version = url.searchParams.get('resourceVersion');
      this.watching.push({ path, version, response });
      response.on('close', () => {
        this.watching = this.watching.filter((each) => each.response !== response);
      });
    } else {
      response.writeHead(200, { 'content-type': 'application/json' }).end(recorded(list));
    }
  }
}
