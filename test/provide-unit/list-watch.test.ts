import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  type Answer,
  type KubeObject,
  ListWatch,
  type ListWatchEvents,
} from '../../src/provide/kube/list-watch.js';
import { recorded, recordedLines } from '../provide/kube-api-server.js';

const PODS = '/api/v1/pods';
const TIMES = { first: 8, most: 40, page: 150, silence: 150 };
const EXPIRED =
  '{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}}\n';

type Reply = (path: string, signal: AbortSignal) => Answer | Promise<Answer>;

const ok = (...parts: readonly string[]): Answer => ({ status: 200, body: bytes(parts) });
const status = (code: number, text = ''): Answer => ({ status: code, body: bytes([text]) });

async function* bytes(parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

/** A stream that goes on after its parts until it is given up. */
function open(signal: AbortSignal, ...parts: readonly string[]): Answer {
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* bytes(parts);
    await new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error)),
    );
  }
  return { status: 200, body: body() };
}

let watch: ListWatch | null = null;
afterEach(() => watch?.stop());

/** Runs against replies in turn; the last one answers whatever else is asked. */
function run(...replies: readonly Reply[]) {
  const asked: string[] = [];
  const said: string[] = [];
  const faults: (string | null)[] = [];
  const nameOf = (object: KubeObject) => (object['metadata'] as { name: string }).name;
  const events: ListWatchEvents = {
    onListBegin: () => said.push('list'),
    onListEnd: () => said.push('that was all'),
    onPut: (object) => said.push(`put ${nameOf(object)}`),
    onDelete: (object) => said.push(`delete ${nameOf(object)}`),
    onContact: () => undefined,
    onFault: (fault) => faults.push(fault),
  };
  const get = async (path: string, signal: AbortSignal): Promise<Answer> => {
    const reply = replies[Math.min(asked.length, replies.length - 1)];
    asked.push(path);
    if (reply === undefined) throw new Error('nothing to say');
    return reply(path, signal);
  };
  watch = new ListWatch(PODS, get, events, TIMES);
  void watch.run();
  return { asked, said, faults };
}

const LIST = () => ok(recorded('pods.list-node'));
const QUIET: Reply = (_, signal) => open(signal);
const LISTED = ['list', 'put client-7c9d', 'put nginx-5f6b-a', 'that was all'];

describe('a resource of the API server', () => {
  it('is listed in pages, then watched from the version of the list on', async () => {
    const { asked, said } = run(
      () => ok(recorded('pods.list')),
      () => ok(recorded('pods.list-continue')),
      (_, signal) => open(signal, ...recordedLines('pods.watch').map((line) => `${line}\n`)),
    );
    await vi.waitFor(() => expect(said.length).toBeGreaterThan(9));
    expect(said).toEqual([
      ...['list', 'put client-7c9d', 'put nginx-5f6b-a', 'put nginx-5f6b-b', 'that was all'],
      ...['put nginx-5f6b-c', 'put nginx-5f6b-c', 'put hostnet', 'put nginx-5f6b-c'],
      'delete nginx-5f6b-c',
    ]);
    expect(asked[0]).toBe(`${PODS}?limit=500`);
    expect(asked[1]).toMatch(/limit=500&continue=eyJ2/u);
    expect(asked[2]).toMatch(/watch=1&allowWatchBookmarks=true&resourceVersion=107&/u);
  });

  it('is watched on from the last version after each break, wherever it is cut', async () => {
    const [added = '', changed = ''] = recordedLines('pods.watch');
    const half = added.slice(0, 300);
    const { asked, said, faults } = run(
      LIST,
      () => ok(half),
      () => ok(half.slice(0, 7), half.slice(7), `${added.slice(300)}\n`, changed.slice(0, 99)),
      () => ok(`${changed}\n{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"990"}}}\n`),
      QUIET,
    );
    await vi.waitFor(() => expect(asked).toHaveLength(5));
    expect(said).toEqual([...LISTED, 'put nginx-5f6b-c', 'put nginx-5f6b-c']);
    const versions = asked.slice(1).map((path) => /resourceVersion=(\d+)/u.exec(path)?.[1]);
    expect(versions).toEqual(['107', '107', '108', '990']);
    expect(faults.filter((fault) => fault !== null)).toEqual([]);
  });

  it.each<[string, Reply]>([
    ['in an event', () => ok(EXPIRED)],
    ['by its status', () => status(410)],
  ])('is listed anew where its version is gone, said %s', async (_, expired) => {
    const { asked, said } = run(LIST, expired, LIST, QUIET);
    await vi.waitFor(() => expect(asked).toHaveLength(4));
    expect(said).toEqual([...LISTED, ...LISTED]);
    expect(asked[2]).toBe(`${PODS}?limit=500`);
  });

  it('is listed from the beginning where the rest of a list is gone', async () => {
    const { asked, said } = run(
      () => ok(recorded('pods.list')),
      () => status(410),
      LIST,
      QUIET,
    );
    const firstPage = ['list', 'put client-7c9d', 'put nginx-5f6b-a'];
    await vi.waitFor(() => expect(said).toEqual([...firstPage, ...LISTED]));
    expect(asked[2]).toBe(`${PODS}?limit=500`);
  });

  it('is asked for again and again, seldom, where that is refused; and says why', async () => {
    const { asked, faults, said } = run(
      () => status(401, recorded('unauthorized')),
      () => status(500),
      () => ok('{"items":'),
      () => Promise.reject(new Error('connect ECONNREFUSED')),
      LIST,
      () => ok(`${recordedLines('pods.watchlist')[0]}\n`),
      QUIET,
    );
    const begun = performance.now();
    await vi.waitFor(() => expect(asked).toHaveLength(7));
    expect(performance.now() - begun).toBeGreaterThan((8 + 16 + 32 + 40) / 2);
    expect(said).toEqual(['list', 'list', 'list', 'list', ...LISTED]);
    expect(faults).toEqual([
      ...['status 401: Unauthorized', 'status 500', expect.stringMatching(/JSON/u)],
      ...['connect ECONNREFUSED', null, null],
      expect.stringMatching(/^the watch ended: a watch stream was requested/u),
      null,
    ]);
  });

  it('is given up where nothing comes, and asked for again', async () => {
    const { asked, faults } = run(QUIET, LIST, QUIET, QUIET);
    await vi.waitFor(() => expect(asked).toHaveLength(4), { timeout: 2_000 });
    expect(faults.filter((fault) => fault !== null)).toEqual([
      ...['no answer for 150 ms', 'no answer for 150 ms'],
    ]);
  });

  it('is asked for no more when it is stopped', async () => {
    const { asked } = run(LIST, () => ok());
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(3));
    watch?.stop();
    const count = asked.length;
    await delay(60);
    expect(asked.length).toBeLessThanOrEqual(count);
  });
});
