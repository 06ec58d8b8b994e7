import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** Binds, says so, and writes each datagram as one JSON string. */
const RECEIVER = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(chr(0) + sys.argv[1][1:] if sys.argv[1][0] == '@' else sys.argv[1])
print('bound', flush=True)
while True:
    print(json.dumps(s.recv(65536).decode()), flush=True)
`;

/** What a service manager does: receives datagrams on a unix socket, in a process of its own. */
export class NotifyReceiver {
  /** What came so far. */
  readonly received: string[] = [];
  /** Takes what need not come as a datagram. */
  readonly take = (state: string): void => {
    this.received.push(state);
  };
  readonly #end: () => Promise<void>;

  private constructor(end: () => Promise<void>) {
    this.#end = end;
  }

  /** @param address a path, or `@` and an abstract name */
  static async start(address: string): Promise<NotifyReceiver> {
    const child = spawn('python3', ['-c', RECEIVER, address], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const receiver = new NotifyReceiver(async () => {
      child.kill('SIGKILL');
      await once(child, 'close');
    });
    const lines = createInterface({ input: child.stdout });
    await once(lines, 'line');
    lines.on('line', (line) => receiver.received.push(JSON.parse(line) as string));
    return receiver;
  }

  count(text: string): number {
    return this.received.filter((each) => each === text).length;
  }

  end(): Promise<void> {
    return this.#end();
  }
}
