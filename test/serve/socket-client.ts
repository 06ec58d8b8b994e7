import { once } from 'node:events';
import { type ClientMessage, parseServerMessage, type ServerMessage } from 'hopscope-protocol';
import { WebSocket } from 'ws';

type Waiter = () => void;

/** A dashboard's side of the WebSocket, as a test wants it. */
export class SocketClient {
  readonly messages: ServerMessage[] = [];
  readonly socket: WebSocket;
  #waiters: Waiter[] = [];

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data) => {
      const parsed = parseServerMessage(data.toString());
      if (!parsed.ok) throw new Error(`${parsed.code}: ${parsed.message}`);
      this.messages.push(parsed.value);
      for (const waiter of this.#waiters.splice(0)) waiter();
    });
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<SocketClient> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, { headers });
    const client = new SocketClient(socket);
    await once(socket, 'open');
    return client;
  }

  send(message: ClientMessage): void {
    this.socket.send(JSON.stringify(message));
  }

  /** The first message of the type that passes `test`, of those from `from` on. */
  async next<T extends ServerMessage['type']>(
    type: T,
    test: (message: Extract<ServerMessage, { type: T }>) => boolean = () => true,
    from = 0,
  ): Promise<Extract<ServerMessage, { type: T }>> {
    const deadline = performance.now() + 5000;
    for (;;) {
      for (const message of this.messages.slice(from)) {
        if (message.type !== type) continue;
        const typed = message as Extract<ServerMessage, { type: T }>;
        if (test(typed)) return typed;
      }
      if (performance.now() > deadline) throw new Error(`no such message of type ${type} in 5 s`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async close(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    this.socket.close();
    await once(this.socket, 'close');
  }
}
