import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { credentials, makeGenericClientConstructor, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';

const run = promisify(execFile);
const IMAGE = 'localhost/hopscope-pause:1';

/** What tests have a runtime do, with the numbers of the fields in cri-api's runtime/v1. */
const PROTOCOL = `
syntax = "proto3";
package runtime.v1;
message RunPodSandboxRequest { PodSandboxConfig config = 1; }
message RunPodSandboxResponse { string pod_sandbox_id = 1; }
message PodSandboxConfig {
  PodSandboxMetadata metadata = 1;
  map<string, string> labels = 6;
  LinuxPodSandboxConfig linux = 8;
}
message PodSandboxMetadata { string name = 1; string uid = 2; string namespace = 3; uint32 attempt = 4; }
message LinuxPodSandboxConfig { string cgroup_parent = 1; SecurityContext security_context = 2; }
message SecurityContext { NamespaceOption namespace_options = 1; }
message NamespaceOption { int32 network = 1; }
message PodSandboxRequest { string pod_sandbox_id = 1; }
message Empty {}
`;
const ROOT = protobuf.parse(PROTOCOL).root;

export interface PodPlan {
  readonly name: string;
  readonly namespace: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly hostNetwork?: boolean;
}

/**
 * A containerd of the test's own, with root, state and socket in a folder of its own. Its only
 * image is this machine's busybox. Pods have addresses of `subnet` on a bridge of its own.
 */
export class RealContainerd {
  readonly folder: string;
  readonly socket: string;
  readonly #bridge: string;
  #process: ChildProcess | null = null;
  #log = '';
  readonly #pods = new Set<string>();

  constructor(
    readonly subnet: string,
    bridge: string,
  ) {
    this.folder = mkdtempSync('/tmp/hs-cri-');
    this.socket = join(this.folder, 'containerd.sock');
    this.#bridge = bridge;
  }

  async start(): Promise<void> {
    this.#writeConfiguration();
    this.#process = spawn('containerd', ['--config', join(this.folder, 'config.toml')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString()).slice(-20_000);
    });
    for (let tries = 0; !existsSync(this.socket); tries++) {
      if (tries > 300) throw new Error(`containerd does not come up: ${this.#log}`);
      await delay(50);
    }
    const image = await this.#makeImage();
    await run('ctr', [
      '-a',
      this.socket,
      '-n',
      'k8s.io',
      'images',
      'import',
      '--snapshotter',
      'native',
      image,
    ]);
  }

  async runPod({ name, namespace, labels = {}, hostNetwork = false }: PodPlan): Promise<string> {
    const answer = await this.#call(
      'RunPodSandbox',
      'RunPodSandboxRequest',
      'RunPodSandboxResponse',
      {
        config: {
          metadata: { name, namespace, uid: `uid-of-${name}`, attempt: 0 },
          labels,
          linux: { securityContext: { namespaceOptions: { network: hostNetwork ? 2 : 0 } } },
        },
      },
    );
    const id = String(answer['podSandboxId']);
    this.#pods.add(id);
    return id;
  }

  async removePod(id: string): Promise<void> {
    for (const call of ['StopPodSandbox', 'RemovePodSandbox']) {
      await this.#call(call, 'PodSandboxRequest', 'Empty', { podSandboxId: id });
    }
    this.#pods.delete(id);
  }

  /** Those that are left. */
  async removePods(): Promise<void> {
    for (const id of this.#pods) await this.removePod(id).catch(() => undefined);
  }

  /** Stops its answers, and lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(signal);
  }

  async stop(): Promise<void> {
    this.signal('SIGCONT');
    await this.removePods();
    const child = this.#process;
    if (child !== null && child.exitCode === null) {
      child.kill('SIGTERM');
      await new Promise((resolve) => child.once('exit', resolve));
    }
    await run('ip', ['link', 'del', this.#bridge]).catch(() => undefined);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #call(
    name: string,
    request: string,
    response: string,
    value: object,
  ): Promise<Readonly<Record<string, unknown>>> {
    const [asked, answered] = [request, response].map((each) =>
      ROOT.lookupType(`runtime.v1.${each}`),
    );
    const Runtime = makeGenericClientConstructor({}, 'RuntimeService');
    const client = new Runtime(`unix://${this.socket}`, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
    });
    return new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
      client.makeUnaryRequest(
        `/runtime.v1.RuntimeService/${name}`,
        (message: object) => Buffer.from(asked?.encode(message).finish() ?? []),
        (bytes: Buffer) => ({ ...answered?.toObject(answered.decode(bytes)) }),
        value,
        { deadline: Date.now() + 30_000 },
        (error: ServiceError | null, message?: Record<string, unknown>) =>
          error === null
            ? resolve(message ?? {})
            : reject(new Error(`${error.message}\n${this.#log}`)),
      );
    }).finally(() => client.close());
  }

  #writeConfiguration(): void {
    const cni = join(this.folder, 'cni');
    mkdirSync(cni);
    const ipam = { type: 'host-local', subnet: this.subnet, dataDir: join(this.folder, 'ipam') };
    const bridge = { type: 'bridge', bridge: this.#bridge, isGateway: true, ipMasq: false, ipam };
    writeFileSync(
      join(cni, '10-test.conflist'),
      JSON.stringify({ cniVersion: '0.4.0', name: this.#bridge, plugins: [bridge] }),
    );
    const binaries = ['/usr/lib/cni', '/opt/cni/bin'].find((each) => existsSync(each));
    writeFileSync(
      join(this.folder, 'config.toml'),
      `version = 2
root = "${join(this.folder, 'root')}"
state = "${join(this.folder, 'state')}"
[grpc]
  address = "${this.socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${join(this.folder, 'opt')}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${IMAGE}"
  disable_apparmor = true
  disable_cgroup = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${binaries}"
    conf_dir = "${cni}"
`,
    );
  }

  /** An archive as docker save writes it, of this machine's static busybox, which sleeps. */
  async #makeImage(): Promise<string> {
    const image = join(this.folder, 'image');
    const layer = join(this.folder, 'layer');
    mkdirSync(join(layer, 'bin'), { recursive: true });
    mkdirSync(image);
    copyFileSync('/bin/busybox', join(layer, 'bin', 'busybox'));
    await run('tar', ['-C', layer, '-cf', join(image, 'layer.tar'), '.']);
    const { stdout } = await run('sha256sum', [join(image, 'layer.tar')]);
    const config = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Entrypoint: ['/bin/busybox', 'sleep', '3600'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${stdout.split(' ')[0]}`] },
    });
    const id = createHash('sha256').update(config).digest('hex');
    writeFileSync(join(image, `${id}.json`), config);
    const manifest = [{ Config: `${id}.json`, RepoTags: [IMAGE], Layers: ['layer.tar'] }];
    writeFileSync(join(image, 'manifest.json'), JSON.stringify(manifest));
    const file = join(this.folder, 'image.tar');
    await run('tar', ['-C', image, '-cf', file, '.']);
    return file;
  }
}
