// @ts-check
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { argv } from 'node:process';

/*
 * An API server with a large cluster, made of the objects that a kube-apiserver 1.37 gave: each has
 * all its members, other names and other addresses. It answers lists in pages, and keeps watches
 * open. POST /change moves an endpoint of so many services (?count=N) to another address.
 *
 *   node test/bench/generated-cluster.mjs NODES SERVICES ENDPOINTS-OF-EACH KUBECONFIG
 */

const [nodes, services, endpoints] = argv.slice(2).map(Number);
const kubeconfig = argv[5] ?? '';
/** What a kubelet reports of images, which is most of a node. */
const IMAGES = 50;
/** Pods of the node that asks. */
const OWN_PODS = 110;

/** @param {string} name @returns {any} */
function template(name) {
  const body = readFileSync(
    new URL(`../provide/kube-api/${name}.list.body`, import.meta.url),
    'utf8',
  );
  return JSON.parse(body);
}

const node = template('nodes').items[0];
const service = template('services').items.find(
  (/** @type {any} */ each) => each.spec.clusterIP !== 'None',
);
const slice = template('endpointslices').items.at(-1);
const pod = template('pods').items[0];

/** @param {number} n @param {number} first byte @param {number} base */
const address = (n, first, base) => `${first}.${base + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`;

/** @param {number} n */
function nodeObject(n) {
  const images = Array.from({ length: IMAGES }, (_, i) => ({
    names: [`registry.example/team-${i}/image@sha256:${String(i).padStart(64, 'f')}`],
    sizeBytes: 100_000 + i,
  }));
  return {
    ...node,
    metadata: { ...node.metadata, name: `node-${n}` },
    status: {
      ...node.status,
      images,
      addresses: [{ type: 'InternalIP', address: address(n, 172, 16) }],
    },
  };
}

/** @param {number} n */
function serviceObject(n) {
  const ip = address(n, 10, 96);
  return {
    ...service,
    metadata: { ...service.metadata, name: `service-${n}`, namespace: `team-${n % 200}` },
    spec: { ...service.spec, clusterIP: ip, clusterIPs: [ip] },
  };
}

let version = 1_000;
/** Of services whose endpoint has moved. @type {Map<number, number>} */
const moved = new Map();

/** @param {number} n */
function sliceObject(n) {
  const namespace = `team-${n % 200}`;
  return {
    ...slice,
    metadata: {
      ...slice.metadata,
      name: `service-${n}-x7k2p`,
      namespace,
      resourceVersion: String(version),
    },
    endpoints: Array.from({ length: endpoints ?? 0 }, (_, i) => {
      const number = n * (endpoints ?? 0) + i + (i === 0 ? (moved.get(n) ?? 0) : 0);
      return {
        ...slice.endpoints[0],
        addresses: [address(number, 10, 128)],
        nodeName: `node-${number % (nodes ?? 1)}`,
        targetRef: {
          kind: 'Pod',
          namespace,
          name: `service-${n}-5f6b7c9d8-${number.toString(36)}`,
        },
      };
    }),
  };
}

/** @param {number} n */
function podObject(n) {
  const ip = address(n, 10, 200);
  return {
    ...pod,
    metadata: { ...pod.metadata, name: `own-${n}`, ownerReferences: undefined },
    spec: { ...pod.spec, nodeName: 'node-0' },
    status: { ...pod.status, podIP: ip, podIPs: [{ ip }] },
  };
}

/** @type {Record<string, { kind: string, count: number, make: (n: number) => any }>} */
const resources = {
  '/api/v1/nodes': { kind: 'Node', count: nodes ?? 0, make: nodeObject },
  '/api/v1/services': { kind: 'Service', count: services ?? 0, make: serviceObject },
  '/apis/discovery.k8s.io/v1/endpointslices': {
    kind: 'EndpointSlice',
    count: services ?? 0,
    make: sliceObject,
  },
  '/api/v1/pods': { kind: 'Pod', count: OWN_PODS, make: podObject },
};
/** @type {Map<string, import('node:http').ServerResponse>} */
const watches = new Map();
/** What was asked, and bytes that were given. @type {Record<string, number>} */
const asked = {};

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://host');
  if (url.pathname === '/change') {
    const count = Number(url.searchParams.get('count'));
    const response_ = watches.get('/apis/discovery.k8s.io/v1/endpointslices');
    for (let n = 0; n < count; n++) {
      version += 1;
      moved.set(n, (moved.get(n) ?? 0) + 200_000);
      response_?.write(`${JSON.stringify({ type: 'MODIFIED', object: sliceObject(n) })}\n`);
    }
    response.end('{}');
    return;
  }
  if (url.pathname === '/asked') {
    response.end(JSON.stringify(asked));
    return;
  }
  const resource = resources[url.pathname];
  if (resource === undefined) {
    response.writeHead(404).end('{}');
    return;
  }
  response.setHeader('content-type', 'application/json');
  if (url.searchParams.get('watch') === '1') {
    response.flushHeaders();
    watches.set(url.pathname, response);
    return;
  }
  const limit = Number(url.searchParams.get('limit') ?? resource.count);
  const from = Number(url.searchParams.get('continue') ?? 0);
  const to = Math.min(from + limit, resource.count);
  const items = Array.from({ length: to - from }, (_, i) => resource.make(from + i));
  const metadata = {
    resourceVersion: String(version),
    ...(to < resource.count ? { continue: String(to) } : {}),
  };
  const text = JSON.stringify({ kind: `${resource.kind}List`, metadata, items });
  const key = `${url.pathname}${url.searchParams.has('fieldSelector') ? ' of one node' : ''}`;
  asked[key] = (asked[key] ?? 0) + text.length;
  response.end(text);
});

server.listen(0, '127.0.0.1', () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const config = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'c' },
    clusters: [
      {
        name: 'c',
        cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true },
      },
    ],
    users: [{ name: 'u', user: { token: 'none' } }],
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
  };
  writeFileSync(kubeconfig, JSON.stringify(config));
  process.stdout.write(`${port}\n`);
});
