import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { FRAME_COUNTS, frameHead, jsonFrame } from '../../src/channel/frame.js';
import { ObserverLink } from '../../src/observe/observer-link.js';

const NO_DESCRIPTORS = -1;

function linked(): { link: ObserverLink; socket: PassThrough } {
  const socket = new PassThrough();
  return { link: new ObserverLink(socket, NO_DESCRIPTORS), socket };
}

async function given(socket: PassThrough, ...frames: Uint8Array[]): Promise<void> {
  for (const frame of frames) socket.write(frame);
  await new Promise((resolve) => setImmediate(resolve));
}

it('what comes before anybody listens is given in order, before what comes later', async () => {
  const { link, socket } = linked();
  const entries = Buffer.from([1, 2, 3]);
  await given(
    socket,
    jsonFrame({ type: 'mode', mode: 'open' }),
    Buffer.concat([frameHead(entries.length, FRAME_COUNTS), entries]),
    jsonFrame({ type: 'started' }),
  );
  const seen: unknown[] = [];
  link.listen({
    onMessage: ({ type }) => seen.push(type),
    onCounts: (bytes) => seen.push([...bytes]),
  });
  expect(seen).toEqual(['mode', [1, 2, 3], 'started']);
  await given(socket, jsonFrame({ type: 'modules-changed' }));
  expect(seen.at(-1)).toBe('modules-changed');
  expect(seen).toHaveLength(4);
});

it('a request to stop does not wait for anybody to listen', async () => {
  const { link, socket } = linked();
  let signal = '';
  link.onStop = (name) => {
    signal = name;
  };
  await given(socket, jsonFrame({ type: 'stop', signal: 'SIGTERM' }));
  expect(signal).toBe('SIGTERM');
});
