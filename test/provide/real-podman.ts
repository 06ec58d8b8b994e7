import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const IMAGE = 'localhost/hopscope-sleep:1';
const NETWORK = 'hs-podman';
/** Its node: Podman leaves its chains in the rules of the namespace that it is in. */
const NODE = 'hs-podman-node';
const INSIDE = ['nsenter', `--net=/run/netns/${NODE}`, 'podman'] as const;

/**
 * A Podman of the test's own, with its service on a socket in a folder of its own. Its only image
 * is this machine's static busybox, and nothing is pulled.
 */
export class RealPodman {
  readonly folder = mkdtempSync('/tmp/hs-podman-');
  readonly socket = join(this.folder, 'podman.sock');
  #service: ChildProcess | null = null;
  readonly #names: string[] = [];

  /** @param subnet of its containers */
  async start(subnet: string): Promise<void> {
    await run('ip', ['netns', 'add', NODE]);
    const network = join(this.folder, 'net');
    mkdirSync(network);
    writeFileSync(
      join(this.folder, 'containers.conf'),
      `[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\nruntime = "runc"\n` +
        `[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "${network}"\n`,
    );
    const root = join(this.folder, 'root');
    mkdirSync(join(root, 'bin'), { recursive: true });
    copyFileSync('/bin/busybox', join(root, 'bin', 'sleep'));
    const image = join(this.folder, 'image.tar');
    await run('tar', ['-C', root, '-cf', image, '.']);
    await this.do('import', image, IMAGE);
    await this.do('network', 'create', '--subnet', subnet, '--disable-dns', NETWORK);
    const [enter, ...podman] = INSIDE;
    this.#service = spawn(
      enter,
      [...podman, ...this.#options, 'system', 'service', '--time', '0', `unix://${this.socket}`],
      { stdio: 'ignore', env: this.#env },
    );
    for (let tries = 0; !existsSync(this.socket); tries++) {
      if (tries > 300) throw new Error('the service of Podman does not come up');
      await delay(50);
    }
  }

  /** Runs a container that sleeps. */
  async runContainer(name: string, ...more: readonly string[]): Promise<string> {
    this.#names.push(name);
    // What these limits are by default may be more than this machine allows.
    const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024'];
    const network = more.includes('--network') ? [] : ['--network', NETWORK];
    return this.do(
      'run',
      '-d',
      '--name',
      name,
      ...limits,
      ...network,
      ...more,
      IMAGE,
      'sleep',
      '3600',
    );
  }

  /** What the command prints. */
  async do(...args: readonly string[]): Promise<string> {
    const [enter, ...podman] = INSIDE;
    const { stdout } = await run(enter, [...podman, ...this.#options, ...args], { env: this.#env });
    return stdout.trim();
  }

  /** Stops its answers, and lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#service?.kill(signal);
  }

  async stop(): Promise<void> {
    this.signal('SIGCONT');
    // The newest first: it may be in the network of one before.
    for (const name of this.#names.reverse()) {
      await this.do('rm', '-f', '-t', '0', name).catch(() => undefined);
    }
    await this.do('network', 'rm', NETWORK).catch(() => undefined);
    const child = this.#service;
    if (child !== null && child.exitCode === null) {
      child.kill('SIGTERM');
      await new Promise((resolve) => child.once('exit', resolve));
    }
    await run('ip', ['netns', 'del', NODE]).catch(() => undefined);
    rmSync(this.folder, { recursive: true, force: true });
  }

  get #options(): string[] {
    const of = (name: string): string => join(this.folder, name);
    return [
      ...['--root', of('store'), '--runroot', of('run'), '--tmpdir', of('tmp')],
      ...['--storage-driver', 'vfs'],
    ];
  }

  get #env(): NodeJS.ProcessEnv {
    return { ...process.env, CONTAINERS_CONF: join(this.folder, 'containers.conf') };
  }
}
