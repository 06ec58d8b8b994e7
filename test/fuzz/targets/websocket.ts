import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import {
  CLIENT_MESSAGE_LIMIT,
  type HelloMessage,
  PROTOCOL_VERSION,
  parseClientMessage,
  parseFilter,
  parseServerMessage,
  type ServerMessage,
  SUBSCRIPTION_LIMIT,
} from 'hopscope-protocol';
import { type WebSocket, WebSocketServer } from 'ws';
import { ClientSession, type SessionContext } from '../../../src/serve/client-session.js';
import { FlowDetails } from '../../../src/serve/flow-details.js';
import { GroupFeed } from '../../../src/serve/group-feed.js';
import { CLIENT_READ_LIMIT } from '../../../src/serve/limits.js';
import { ServeCounters } from '../../../src/serve/serve-counters.js';
import { answeringCollector, flowId } from '../answering-collector.js';
import { MemorySocket } from '../memory-socket.js';
import { mutateBytes } from '../mutate.js';
import type { Random } from '../random.js';
import type { Era, Target } from '../target.js';

const TEXT = 1;
const BINARY = 2;
const FINAL = 0x80;
const HEADERS = {
  host: 'hopscope.test',
  upgrade: 'websocket',
  connection: 'Upgrade',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
};
const HELLO: HelloMessage = {
  type: 'hello',
  protocol: PROTOCOL_VERSION,
  run: 'a run',
  version: '0',
  node: 'node111',
  kernel: '6',
  mode: 'live',
  description: 'a campaign',
  missing: [],
};

/** What a page, or whoever says to be one, sends over its WebSocket. */
export const WEBSOCKET_TARGET: Target = {
  name: 'websocket',
  kind: 'json',
  longest: CLIENT_MESSAGE_LIMIT + 64,
  words: [
    ...['type', 'subscribe', 'unsubscribe', 'filter', 'pause', 'id', 'text'],
    ...['negate', 'paused', 'src', 'dst', 'port', 'proto', 'service', 'state', 'encap', 'mtu'],
    ...['__proto__', 'toString', flowId(1), flowId(2), '10.244.', '*', 'tcp', '\\u0000'],
  ],
  era: 500,
  lanes: 1,
  leastGood: 0.1,
  begin: () => new WebSocketEra(),
};

/** Bytes of a message with its frame, and with a frame damaged: of as many more. */
const FRAMED = 2;

interface Open {
  readonly client: WebSocket;
  readonly socket: MemorySocket;
  readonly session: ClientSession;
  /** Whether nothing of a damaged frame may be waiting for its rest. */
  isClean: boolean;
  /** What is to be said of the filter asked for last, at the next tick; null for nothing. */
  filterProblem: string | null;
}

class WebSocketEra implements Era {
  good = 0;
  #clock = 0;
  readonly #counters = new ServeCounters();
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: CLIENT_MESSAGE_LIMIT,
    perMessageDeflate: false,
    clientTracking: false,
  });
  readonly #context: SessionContext;
  readonly #details: FlowDetails;
  #open: Open | null = null;

  constructor() {
    const collector = answeringCollector();
    this.#details = new FlowDetails(collector);
    this.#context = {
      table: collector.table,
      details: this.#details,
      groups: new GroupFeed(collector),
      history: (id) => collector.history(id),
      counters: this.#counters,
      hello: HELLO,
      now: () => '1',
      clock: () => this.#clock,
    };
  }

  async check(input: Uint8Array, random: Random): Promise<void> {
    // Slower than the limit on messages, but for a burst now and then, and than that on bytes.
    this.#clock += random.below(16) === 0 ? 0 : 30;
    this.#clock += (1_000 * FRAMED * input.length) / CLIENT_READ_LIMIT;
    this.#open ??= await this.#connect();
    const open = this.#open;
    const isWhole = random.below(4) !== 0;
    open.isClean &&= isWhole;
    const bytes = isWhole ? framed(input, FINAL | TEXT, random) : damaged(input, random);
    const refused = total(this.#counters);
    // In parts, as a network delivers it.
    const cut = random.below(8) === 0 ? random.below(bytes.length + 1) : bytes.length;
    open.socket.push(bytes.subarray(0, cut));
    if (cut < bytes.length) open.socket.push(bytes.subarray(cut));
    await turn();
    const atOnce = errorsIn(open.socket.taken());
    if (open.isClean) this.#asParsed(input, open, atOnce);
    const atTick = await this.#tick(open, random);
    const errors = atOnce.length + atTick.length;
    if (errors > total(this.#counters) - refused) throw new Error('an uncounted refusal');
    const isOver = open.client.readyState !== open.client.OPEN;
    if (isOver || (!open.isClean && random.below(4) === 0)) await this.#close(open);
  }

  /** Of many filters that come before a tick, the last one is answered. */
  async #tick(open: Open, random: Random): Promise<string[]> {
    if (open.client.readyState !== open.client.OPEN || random.below(4) !== 0) return [];
    open.session.tick({ looks: random.below(64), quality: null });
    if (random.below(4) === 0) this.#details.ask();
    await turn();
    const codes = errorsIn(open.socket.taken());
    const expected = open.filterProblem === null ? [] : [open.filterProblem];
    open.filterProblem = null;
    if (open.isClean && codes.join() !== expected.join()) {
      throw new Error(`a filter is answered with “${codes.join()}”, not “${expected.join()}”`);
    }
    return codes;
  }

  /** A whole message is answered as its reader says. */
  #asParsed(input: Uint8Array, open: Open, codes: readonly string[]): void {
    const { client } = open;
    if (input.length > CLIENT_MESSAGE_LIMIT || !isUtf8(input)) {
      if (client.readyState === client.OPEN) throw new Error('a bad frame is taken');
      return;
    }
    if (client.readyState !== client.OPEN) throw new Error('a good frame is not taken');
    const parsed = parseClientMessage(Buffer.from(input).toString());
    if (codes.length > 1) throw new Error(`one message has ${codes.length} answers`);
    const [code] = codes;
    if (code === 'too-many-messages') return;
    if (!parsed.ok && code !== undefined && code !== parsed.code) throw new Error(code);
    if (parsed.ok && code !== undefined && code !== 'too-many-subscriptions') throw new Error(code);
    if (!parsed.ok) return;
    this.good += 1;
    if (parsed.value.type !== 'filter') return;
    open.filterProblem = parseFilter(parsed.value.text).problems[0]?.code ?? null;
  }

  async #connect(): Promise<Open> {
    const socket = new MemorySocket();
    const request = { method: 'GET', url: '/ws', headers: HEADERS } as unknown as IncomingMessage;
    const client = await new Promise<WebSocket>((resolve) => {
      this.#sockets.handleUpgrade(request, socket, Buffer.alloc(0), resolve);
    });
    const session = new ClientSession(client, socket as unknown as Socket, this.#context);
    await turn();
    const answer = socket.taken();
    const begin = answer.indexOf('\r\n\r\n') + 4;
    const [hello] = messagesIn(answer.subarray(begin));
    if (hello?.type !== 'hello') throw new Error('no hello');
    return { client, socket, session, isClean: true, filterProblem: null };
  }

  async #close({ client, socket }: Open): Promise<void> {
    this.#open = null;
    client.terminate();
    socket.destroy();
    await turn();
  }

  async end(): Promise<void> {
    if (this.#open !== null) {
      if (followed(this.#details) > SUBSCRIPTION_LIMIT) throw new Error('too many subscriptions');
      await this.#close(this.#open);
    }
    await turn();
    if (followed(this.#details) !== 0) throw new Error('a client that went still gets details');
  }
}

/** Flows that are followed: those asked for a second time are counted. */
function followed(details: FlowDetails): number {
  details.ask();
  const before = details.delayed;
  details.ask();
  return details.delayed - before;
}

function total(counters: ServeCounters): number {
  return [...counters.badMessages.values()].reduce((sum, count) => sum + count, 0);
}

/** A frame as a client has to send it: masked (RFC 6455, 5.3). */
function framed(payload: Uint8Array, first: number, random: Random): Buffer {
  const length = payload.length;
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.alloc(head + 4 + length);
  frame[0] = first;
  frame[1] = 0x80 | (head === 2 ? length : head === 4 ? 126 : 127);
  if (head === 4) frame.writeUInt16BE(length, 2);
  if (head === 10) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.writeUInt32BE(random.bits(), head);
  for (let i = 0; i < length; i++) {
    frame[head + 4 + i] = (payload[i] as number) ^ (frame[head + (i & 3)] as number);
  }
  return frame;
}

/** Frames that are not one whole text. */
function damaged(input: Uint8Array, random: Random): Buffer {
  const half = random.below(input.length + 1);
  switch (random.below(5)) {
    case 0:
      return framed(input, FINAL | BINARY, random);
    case 1:
      return framed(input.subarray(0, 125), FINAL | random.below(16), random);
    case 2:
      return Buffer.concat([
        framed(input.subarray(0, half), TEXT, random),
        framed(input.subarray(half), FINAL, random),
      ]);
    case 3:
      return framed(input, random.bits() & 0xff, random);
    default: {
      const frame = framed(input, FINAL | TEXT, random);
      return Buffer.from(mutateBytes(frame, random, [frame]));
    }
  }
}

function errorsIn(bytes: Buffer): string[] {
  return messagesIn(bytes).flatMap((message) => (message.type === 'error' ? [message.code] : []));
}

/** What the server said; all of it has to be what a page reads. */
function messagesIn(bytes: Buffer): ServerMessage[] {
  const messages: ServerMessage[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] as number;
    const second = bytes[at + 1] as number;
    if ((second & 0x80) !== 0) throw new Error('a server does not mask');
    const short = second & 0x7f;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    const length =
      short < 126
        ? short
        : short === 126
          ? bytes.readUInt16BE(at + 2)
          : Number(bytes.readBigUInt64BE(at + 2));
    const payload = bytes.subarray(at + head, at + head + length);
    if (payload.length !== length) throw new Error('a frame that is not whole');
    at += head + length;
    if (first !== (FINAL | TEXT)) {
      if ((first & 0x0f) < 8) throw new Error(`a frame that begins with ${first}`);
      continue;
    }
    const parsed = parseServerMessage(payload.toString());
    if (!parsed.ok) throw new Error(`${parsed.message}: ${payload.toString().slice(0, 200)}`);
    messages.push(parsed.value);
  }
  return messages;
}
