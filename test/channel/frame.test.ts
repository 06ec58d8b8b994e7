import { expect, test } from 'vitest';
import {
  FRAME_JSON,
  FRAME_ROWS,
  FrameReader,
  frameHead,
  jsonFrame,
} from '../../src/channel/frame.js';

const LIMIT = 64;

function frames(...chunks: Uint8Array[]): [number, string][] {
  const found: [number, string][] = [];
  const reader = new FrameReader(LIMIT, (type, payload) => {
    found.push([type, Buffer.from(payload).toString()]);
  });
  for (const chunk of chunks) reader.add(chunk);
  return found;
}

const BYTES = Buffer.concat([
  jsonFrame({ a: 'ä' }),
  frameHead(0, FRAME_ROWS),
  frameHead(3, FRAME_ROWS),
  Buffer.from('abc'),
]);
const READ = [
  [FRAME_JSON, '{"a":"ä"}'],
  [FRAME_ROWS, ''],
  [FRAME_ROWS, 'abc'],
];

test('frames come out as they went in, wherever the stream cuts them', () => {
  expect(frames(BYTES)).toEqual(READ);
  for (let cut = 0; cut <= BYTES.length; cut++) {
    expect(frames(BYTES.subarray(0, cut), BYTES.subarray(cut))).toEqual(READ);
  }
  expect(frames(...[...BYTES].map((byte) => Uint8Array.of(byte)))).toEqual(READ);
});

test('a payload lies where numbers of eight bytes may', () => {
  const reader = new FrameReader(LIMIT, (_type, payload) => {
    expect(payload.byteOffset % 8).toBe(0);
  });
  reader.add(BYTES);
  expect.assertions(3);
});

test('a frame of the limit is read, one past it is refused before anything is kept for it', () => {
  const full = Buffer.alloc(LIMIT, 'x');
  expect(frames(frameHead(LIMIT, FRAME_JSON), full)).toEqual([[FRAME_JSON, full.toString()]]);
  expect(() => frames(frameHead(LIMIT + 1, FRAME_JSON))).toThrowError(
    expect.objectContaining({ code: 'frame-too-large' }) as Error,
  );
});
