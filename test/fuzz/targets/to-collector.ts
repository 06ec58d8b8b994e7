import { setImmediate as turn } from 'node:timers/promises';
import { ChannelError, FRAME_JSON, FrameReader, frameHead } from '../../../src/channel/frame.js';
import { ChannelCounters } from '../../../src/serve/channel-counters.js';
import { parseToCollector } from '../../../src/serve/channel-messages.js';
import { CollectorLink } from '../../../src/serve/collector-link.js';
import {
  CHANNEL_MESSAGE_LIMIT,
  COLLECTOR_FRAME_LIMIT,
  SERVER_FRAME_LIMIT,
} from '../../../src/serve/limits.js';
import { RowFeed } from '../../../src/serve/row-feed.js';
import { LoadedCollector } from '../../serve/loaded-collector.js';
import { MemorySocket } from '../memory-socket.js';
import { mutateBytes } from '../mutate.js';
import type { Random } from '../random.js';
import type { Era, Target } from '../target.js';

/** What the server process, which the network talks to, sends to the collector. */
export const TO_COLLECTOR_TARGET: Target = {
  name: 'to-collector',
  kind: 'json',
  longest: 4096,
  words: [
    ...['type', 'listening', 'failed', 'watch', 'ask', 'watching', 'number', 'question', 'about'],
    ...['flow', 'flows', 'namespaces', 'id', 'have', 'from', 'before', 'limit', 'url', 'port'],
    ...['__proto__', 'code', 'message'],
  ],
  era: 1000,
  lanes: 1,
  leastGood: 0.1,
  begin: () => new ToCollectorEra(),
};

class ToCollectorEra implements Era {
  good = 0;
  readonly #loaded = new LoadedCollector();
  readonly #feed = new RowFeed(this.#loaded.pipeline.flows);
  readonly #counters = new ChannelCounters();
  #link: { link: CollectorLink; socket: MemorySocket } | null = null;
  #broken: string[] = [];

  constructor() {
    this.#loaded.change(Array.from({ length: 20 }, (_, index) => 1000 + index));
  }

  async check(input: Uint8Array, random: Random): Promise<void> {
    const isGood = parsed(input);
    if (isGood) this.good += 1;
    this.#link ??= await this.#connect();
    const { link, socket } = this.#link;
    const frame = Buffer.concat([frameHead(input.length, FRAME_JSON), input]);
    const isWhole = random.below(4) !== 0;
    const bytes = isWhole ? frame : Buffer.from(mutateBytes(frame, random, [frame]));
    sameFrames(bytes, random);
    const cut = random.below(4) === 0 ? random.below(bytes.length + 1) : bytes.length;
    socket.push(bytes.subarray(0, cut));
    if (cut < bytes.length) socket.push(bytes.subarray(cut));
    if (random.below(4) === 0) {
      await turn();
      link.tick();
    }
    if (isWhole && isGood && this.#broken.length > 0) throw new Error(this.#broken.join());
    // What waits is not read yet.
    if (isWhole && !isGood && this.#broken.length === 0 && socket.readableLength === 0) {
      throw new Error('a bad message breaks nothing');
    }
    wellFramed(socket.taken());
    // The rest of a frame that is not whole may come with the next.
    if (this.#broken.length > 0 || !isWhole) this.#close();
  }

  async #connect(): Promise<{ link: CollectorLink; socket: MemorySocket }> {
    const socket = new MemorySocket();
    this.#broken = [];
    const link = new CollectorLink(socket, this.#loaded.collected, this.#feed, this.#counters, {
      onListening: () => undefined,
      onFailed: () => undefined,
      onBroken: (why) => this.#broken.push(why),
    });
    await turn();
    return { link, socket };
  }

  #close(): void {
    if (this.#broken.length > 1) throw new Error(`it broke ${this.#broken.length} times`);
    this.#link?.link.close();
    this.#link = null;
    this.#broken = [];
  }

  /** More messages than there is reason for end it. */
  async end(): Promise<void> {
    this.#close();
    const { link, socket } = await this.#connect();
    const text = '{"type":"watch","watching":false}';
    const frame = Buffer.concat([frameHead(text.length, FRAME_JSON), Buffer.from(text)]);
    for (let i = 0; i <= CHANNEL_MESSAGE_LIMIT; i++) socket.push(frame);
    await turn();
    link.close();
    if (this.#broken.length !== 1) throw new Error('a flood of messages is taken');
  }
}

function parsed(input: Uint8Array): boolean {
  try {
    const message = parseToCollector(input);
    const again = parseToCollector(Buffer.from(JSON.stringify(message)));
    // Of a negative zero JSON has no sign.
    if (JSON.stringify(again) !== JSON.stringify(message))
      throw new Error('what was read is not read again');
    return true;
  } catch (error) {
    if (error instanceof ChannelError && error.code === 'bad-message') return false;
    throw error;
  }
}

/** However the bytes come, they are the same frames. */
function sameFrames(bytes: Buffer, random: Random): void {
  const framesOf = (parts: readonly Buffer[]): string => {
    const frames: string[] = [];
    const reader = new FrameReader(COLLECTOR_FRAME_LIMIT, (type, payload) => {
      frames.push(`${type} ${Buffer.from(payload).toString('latin1')}`);
    });
    try {
      for (const part of parts) reader.add(part);
    } catch (error) {
      if (!(error instanceof ChannelError && error.code === 'frame-too-large')) throw error;
      frames.push(error.code);
    }
    return frames.join('\n');
  };
  const cut = random.below(bytes.length + 1);
  const second = cut + random.below(bytes.length - cut + 1);
  const parts = [bytes.subarray(0, cut), bytes.subarray(cut, second), bytes.subarray(second)];
  if (framesOf([bytes]) !== framesOf(parts)) throw new Error('parts are other frames');
}

function wellFramed(bytes: Buffer): void {
  let frames = 0;
  let length = 0;
  const reader = new FrameReader(SERVER_FRAME_LIMIT, (type, payload) => {
    frames += 1;
    length += 8 + payload.length;
    if (type === FRAME_JSON) JSON.parse(Buffer.from(payload).toString());
  });
  reader.add(bytes);
  if (length !== bytes.length) throw new Error(`${bytes.length} bytes in ${frames} frames`);
}
