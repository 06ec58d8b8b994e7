// @ts-check
import { spawn, spawnSync } from 'node:child_process';
import { argv, execPath } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** All that the soak makes is called so. */
export const PREFIX = 'hs-soak-';
const LEFT = { netns: `${PREFIX}left`, address: '192.0.2.1' };
const RIGHT = { netns: `${PREFIX}right`, address: '192.0.2.2' };
const STREAM_PORT = 9001;
const SHORT_PORT = 9002;

/** Connections of one request at once, each its own. */
const SHORT_WORKERS = 4;
const SHORT_PAUSE_MS = 20;
const NAMESPACE_PAUSE_MS = 1000;
/** Those that go and come. */
const PASSING = Array.from({ length: 6 }, (_, i) => `${PREFIX}${i}`);
/** All that is watched: what else a machine does would be judged with it. */
export const WATCHED = [LEFT.netns, RIGHT.netns, ...PASSING].flatMap((name) => ['--netns', name]);

/**
 * @param {string} command
 * @param {readonly string[]} args
 */
function run(command, args) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}

/** Two namespaces with a veth pair, connection tracking and rules in one. */
export function buildNetwork() {
  removeNetwork();
  for (const netns of [LEFT.netns, RIGHT.netns, ...PASSING]) run('ip', ['netns', 'add', netns]);
  run('ip', [
    ...['link', 'add', 'eth0', 'netns', LEFT.netns, 'type', 'veth'],
    ...['peer', 'name', 'eth0', 'netns', RIGHT.netns],
  ]);
  for (const { netns, address } of [LEFT, RIGHT]) {
    run('ip', ['-n', netns, 'address', 'add', `${address}/24`, 'dev', 'eth0']);
    run('ip', ['-n', netns, 'link', 'set', 'lo', 'up']);
    run('ip', ['-n', netns, 'link', 'set', 'eth0', 'up']);
  }
  const table = `table ip soak {
    chain c { type nat hook prerouting priority dstnat; tcp dport 80 redirect to :${SHORT_PORT}; }
    chain f { type filter hook input priority filter; udp dport 9 drop; }
  }`;
  run('ip', ['netns', 'exec', RIGHT.netns, 'nft', table]);
}

/** Whatever of it is there. */
export function removeNetwork() {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  for (const line of stdout.split('\n')) {
    const [name = ''] = line.split(' ');
    if (name.startsWith(PREFIX)) spawnSync('ip', ['netns', 'del', name]);
  }
}

/**
 * @param {(part: string) => void} onEnded called when one ends by itself
 * @returns {(() => void)[]} what ends each part
 */
export function startLoad(onEnded) {
  const own = fileURLToPath(import.meta.url);
  const parts = [
    [RIGHT.netns, 'serve'],
    [LEFT.netns, 'stream'],
    [LEFT.netns, 'short'],
    [null, 'namespaces'],
  ];
  return parts.map(([netns, part]) => {
    const words = [execPath, own, String(part)];
    const inside = netns === null ? words : ['ip', 'netns', 'exec', String(netns), ...words];
    // Ends with its parent, whatever happens to that.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...inside], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const end = () => onEnded(String(part));
    child.once('exit', end);
    return () => {
      child.off('exit', end);
      child.kill('SIGKILL');
    };
  });
}

/** @type {Readonly<Record<string, () => Promise<void>>>} */
const PARTS = {
  /** Both ends that are asked: one takes all, one answers once. */
  async serve() {
    const { createServer } = await import('node:net');
    createServer((socket) => {
      socket.on('error', () => undefined);
      socket.resume();
    }).listen(STREAM_PORT, RIGHT.address);
    createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end('answer'));
    }).listen(SHORT_PORT, RIGHT.address);
  },

  /** A steady stream: 200 segments of 1,000 bytes a second. */
  async stream() {
    const { connect } = await import('node:net');
    const bytes = Buffer.alloc(1000);
    for (;;) {
      const socket = connect(STREAM_PORT, RIGHT.address);
      // Not there yet, at the beginning.
      socket.on('error', () => undefined);
      while (!socket.destroyed) {
        if (!socket.connecting) socket.write(bytes);
        await delay(5);
      }
      await delay(100);
    }
  },

  /** Connections that live for one request, half of them translated, and packets that are dropped. */
  async short() {
    const { connect } = await import('node:net');
    const { createSocket } = await import('node:dgram');
    await delay(500);
    const dropped = createSocket('udp4');
    let count = 0;
    const worker = async () => {
      for (;;) {
        count += 1;
        const socket = connect(count % 2 === 0 ? SHORT_PORT : 80, RIGHT.address);
        socket.on('error', () => undefined);
        socket.on('connect', () => socket.write('question'));
        socket.resume();
        await new Promise((resolve) => socket.once('close', resolve));
        if (count % 10 === 0) dropped.send('x', 9, RIGHT.address);
        await delay(SHORT_PAUSE_MS);
      }
    };
    await Promise.all(Array.from({ length: SHORT_WORKERS }, worker));
  },

  /** Namespaces with a device and a rule that go and come again, with a packet in each. */
  async namespaces() {
    for (let count = 0; ; count++) {
      const name = PASSING[count % PASSING.length] ?? '';
      // Never one that was there: the kernel takes its time to remove it.
      const dev = `hss${count}`;
      run('ip', ['netns', 'del', name]);
      await delay(NAMESPACE_PAUSE_MS);
      run('ip', ['netns', 'add', name]);
      const peer = ['type', 'veth', 'peer', 'eth0', 'netns', name];
      run('ip', ['-n', LEFT.netns, 'link', 'add', dev, ...peer]);
      run('ip', ['-n', LEFT.netns, 'link', 'set', dev, 'up']);
      run('ip', ['-n', name, 'address', 'add', '198.51.100.1/24', 'dev', 'eth0']);
      run('ip', ['-n', name, 'link', 'set', 'eth0', 'up']);
      const table = 'table ip t {\nchain c { type filter hook output priority 0; counter; }\n}';
      run('ip', ['netns', 'exec', name, 'nft', table]);
      spawnSync('ip', ['netns', 'exec', name, 'bash', '-c', 'echo x > /dev/udp/198.51.100.2/9']);
    }
  },
};

if (argv[1] === fileURLToPath(import.meta.url)) await PARTS[argv[2] ?? '']?.();
