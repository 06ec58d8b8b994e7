/** Plain objects of the Kubernetes API, as `kubectl apply` takes them. */
export type Manifest = Readonly<Record<string, unknown>>;

export interface ManifestOptions {
  /** The namespace of Kubernetes that it is to run in. */
  readonly namespace: string;
  readonly image: string;
}

const NAME = 'hopscope';
const LABELS = { 'app.kubernetes.io/name': NAME } as const;
const PORT = 7677;

/**
 * What it takes, and why:
 * - BPF, PERFMON: loading programs that read the kernel's memory;
 * - NET_ADMIN: attaching them to devices and hooks;
 * - SYS_ADMIN: entering network namespaces; before Linux 6.1x also ids of BPF objects;
 * - SYS_PTRACE: /proc/PID/ns/net of processes of other users;
 * - SYSLOG: names of kernel functions;
 * - NET_RAW: packet sockets, which count before Linux 6.6.
 */
const CAPABILITIES = [
  ...['BPF', 'PERFMON', 'NET_ADMIN', 'SYS_ADMIN', 'SYS_PTRACE', 'SYSLOG', 'NET_RAW'],
] as const;

/** What it asks the API server: nothing is written, and no secret is read. */
const RULES = [
  { apiGroups: [''], resources: ['pods', 'services', 'nodes'], verbs: ['list', 'watch'] },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
  // Which Deployment a ReplicaSet is of, which CronJob a Job: each once.
  { apiGroups: ['apps'], resources: ['replicasets'], verbs: ['get'] },
  { apiGroups: ['batch'], resources: ['jobs'], verbs: ['get'] },
] as const;

/** Folders of the node; those that it does not have are made, empty, in the container alone. */
const FOLDERS = [
  // Names of namespaces that come later have to be seen too.
  { name: 'netns', path: '/run/netns', readOnly: true },
  { name: 'containerd', path: '/run/containerd', readOnly: true },
  { name: 'crio', path: '/run/crio', readOnly: true },
] as const;

/** A DaemonSet that watches each node, and the least it needs around it. */
export function manifests({ namespace, image }: ManifestOptions): Manifest[] {
  const metadata = { name: NAME, namespace, labels: LABELS };
  const ofCluster = { name: NAME, labels: LABELS };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: PRIVILEGED } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: ofCluster },
      rules: RULES,
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: ofCluster,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: NAME },
      subjects: [{ kind: 'ServiceAccount', name: NAME, namespace }],
    },
    {
      ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata },
      // See: hopscope config --schema
      data: { 'hopscope.yaml': 'memory: 512M\ncpu-budget: 5\nlog-format: json\n' },
    },
    { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata, spec: daemonSet(image) },
  ];
}

/** Pod security admission: what watches a node is no restricted pod. */
const PRIVILEGED = { ...LABELS, 'pod-security.kubernetes.io/enforce': 'privileged' } as const;

function daemonSet(image: string): Manifest {
  return {
    selector: { matchLabels: LABELS },
    updateStrategy: { type: 'RollingUpdate' },
    template: {
      metadata: { labels: LABELS },
      spec: {
        serviceAccountName: NAME,
        // It watches the node's namespace, and finds the others by their processes.
        hostNetwork: true,
        hostPID: true,
        dnsPolicy: 'ClusterFirstWithHostNet',
        priorityClassName: 'system-node-critical',
        tolerations: [{ operator: 'Exists' }],
        nodeSelector: { 'kubernetes.io/os': 'linux' },
        terminationGracePeriodSeconds: 20,
        containers: [container(image)],
        volumes: [
          { name: 'config', configMap: { name: NAME } },
          { name: 'tmp', emptyDir: {} },
          ...FOLDERS.map(({ name, path }) => ({
            name,
            hostPath: { path, type: 'DirectoryOrCreate' },
          })),
        ],
      },
    },
  };
}

function container(image: string): Manifest {
  return {
    name: NAME,
    image,
    args: ['serve', '--config', '/etc/hopscope/hopscope.yaml', '--node-name', '$(NODE_NAME)'],
    env: [{ name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
    // The dashboard listens on loopback alone: kubectl port-forward, or ssh to the node.
    ports: [{ name: 'dashboard', containerPort: PORT, hostIP: '127.0.0.1' }],
    livenessProbe: {
      httpGet: { host: '127.0.0.1', port: PORT, path: '/metrics' },
      initialDelaySeconds: 30,
      periodSeconds: 30,
      timeoutSeconds: 5,
    },
    resources: {
      requests: { cpu: '100m', memory: '640Mi' },
      // --memory, and the process that asks the API server.
      limits: { memory: '1Gi' },
    },
    securityContext: {
      runAsUser: 0,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: CAPABILITIES },
      // bpf(2) and setns(2) are among what the usual profiles refuse.
      seccompProfile: { type: 'Unconfined' },
    },
    volumeMounts: [
      { name: 'config', mountPath: '/etc/hopscope', readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
      ...FOLDERS.map(({ name, path, readOnly }) => ({
        ...{ name, mountPath: path, readOnly, mountPropagation: 'HostToContainer' },
      })),
    ],
  };
}
