import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';

/**
 * What systemd does for a service with Type=notify, Restart= and FileDescriptorStoreMax=: it starts
 * the process with what it keeps, takes its messages, and closes everything at the end. One
 * descriptor that cannot be polled is forgotten, unless FDPOLL=0 was asked for (sd_notify(3)).
 */
const MANAGER = `
import fcntl, json, os, select, signal, socket, sys, threading
address, command = sys.argv[1], sys.argv[2:]
inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
inbox.bind(chr(0) + address[1:])
store = []
child = 0

def say(**what):
    sys.stdout.write(json.dumps(what) + chr(10))
    sys.stdout.flush()

def is_polled_away(fd):
    poll = select.poll()
    poll.register(fd, 0)
    return bool(poll.poll(0))

def receive():
    while True:
        data, fds, _, _ = socket.recv_fds(inbox, 65536, 253)
        lines = data.decode().split(chr(10))
        fields = dict(line.split('=', 1) for line in lines if '=' in line)
        name = fields.get('FDNAME', 'stored')
        if 'FDSTORE' in fields:
            for fd in fds:
                if fields.get('FDPOLL') != '0' and is_polled_away(fd):
                    os.close(fd)
                else:
                    store.append((name, fd))
        elif 'FDSTOREREMOVE' in fields:
            for kept in [kept for kept in store if kept[0] == name]:
                store.remove(kept)
                os.close(kept[1])
        else:
            say(state=data.decode())

def start():
    global child
    child = os.fork()
    if child:
        say(pid=child)
        threading.Thread(target=wait, args=(child,), daemon=True).start()
        return
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 500) for _, fd in store]
    for at, fd in enumerate(high):
        os.dup2(fd, 3 + at, inheritable=True)
    env = dict(os.environ, NOTIFY_SOCKET=address, WATCHDOG_USEC='30000000')
    if high:
        env.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)),
                   LISTEN_FDNAMES=':'.join(name for name, _ in store))
    os.closerange(3 + len(high), 1000)
    os.execvpe(command[0], command, env)

def wait(pid):
    say(ended=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

threading.Thread(target=receive, daemon=True).start()
for line in sys.stdin:
    words = line.split()
    if words[0] == 'start':
        start()
    elif words[0] == 'end':
        os.kill(child, getattr(signal, words[1]))
    elif words[0] == 'names':
        say(names=sorted(name for name, _ in store))
    elif words[0] == 'put':
        names = [name for name, _ in store]
        at = names.index(words[1])
        store[at] = (words[2], store[at][1])
    elif words[0] == 'swap':
        names = [name for name, _ in store]
        at = names.index(words[1])
        store[at] = (words[1], os.open(words[2], os.O_RDONLY))
try:
    os.kill(child, signal.SIGKILL)
except OSError:
    pass
`;

interface Said {
  readonly state?: string;
  readonly pid?: number;
  readonly ended?: number;
  readonly names?: readonly string[];
}

export class StandInManager {
  err = '';
  readonly #child: ChildProcess;
  readonly #said: Said[] = [];
  #pid = 0;

  /** @param name of its socket */
  constructor(name: string, command: readonly string[]) {
    const address = `@hopscope-${name}-${process.pid}`;
    this.#child = spawn('python3', ['-c', MANAGER, address, ...command], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.err += text;
    });
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.#said.push(JSON.parse(line) as Said);
    });
  }

  /** Of the process that runs, or ran last. */
  get pid(): number {
    return this.#pid;
  }

  /** @returns the address of the dashboard, when the service says that it is ready */
  async start(): Promise<string> {
    this.#said.splice(0);
    this.#write('start');
    this.#pid = (await this.#until(({ pid }) => pid !== undefined)).pid ?? 0;
    const { state = '' } = await this.#until(({ state }) => state?.startsWith('READY=1') === true);
    return /dashboard on (\S+);/u.exec(state)?.[1] ?? '';
  }

  /** @returns its status, or minus the signal that ended it */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number> {
    this.#write(`end ${signal}`);
    return (await this.#until(({ ended }) => ended !== undefined)).ended ?? 0;
  }

  /** Of what it keeps, in order. */
  async names(): Promise<readonly string[]> {
    const before = this.#said.length;
    this.#write('names');
    return (await this.#until(({ names }) => names !== undefined, before)).names ?? [];
  }

  /** Keeps the first descriptor of a name under another one. */
  rename(from: string, to: string): void {
    this.#write(`put ${from} ${to}`);
  }

  /** Keeps a file under a name in the place of what was kept so. */
  replace(name: string, file: string): void {
    this.#write(`swap ${name} ${file}`);
  }

  /** Keeps nothing any more, as when a service was stopped. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    try {
      process.kill(this.#pid, 'SIGKILL');
    } catch {
      // It had ended.
    }
    // Its output is the service's too.
    await closed;
  }

  #write(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  async #until(is: (said: Said) => boolean, from = 0): Promise<Said> {
    const find = (): Said | undefined => this.#said.slice(from).find(is);
    await expect
      .poll(() => find() !== undefined, { timeout: 60_000, message: this.err })
      .toBe(true);
    return find() ?? {};
  }
}
