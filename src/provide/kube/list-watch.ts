/** Where a list or a watch comes from: one GET of the API server. */
export type Get = (path: string, signal: AbortSignal) => Promise<Answer>;

export interface Answer {
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array>;
}

export type KubeObject = Readonly<Record<string, unknown>>;

export interface ListWatchEvents {
  /** All there is follows, one by one, or a part of it where the list fails. */
  onListBegin(): void;
  /** That was all; whatever was not among it is gone. */
  onListEnd(): void;
  /** One is new, or has changed. */
  onPut(object: KubeObject): void;
  onDelete(object: KubeObject): void;
  /** The server has spoken: what is known is not older than this moment. */
  onContact(): void;
  /** It goes on trying; null when it is well again. */
  onFault(fault: string | null): void;
}

export interface ListWatchTimes {
  /** The first wait after a failure, and the longest, ms; each wait is twice the one before. */
  readonly first: number;
  readonly most: number;
  /** Of a list's page. */
  readonly page: number;
  /** Without a byte of a watch: bookmarks come every minute. */
  readonly silence: number;
}

export const TIMES: ListWatchTimes = { first: 500, most: 30_000, page: 60_000, silence: 120_000 };
const PAGE_OBJECTS = 500;
/** Bytes of one page, and of one line of a watch: an object has 1.5 MiB at most (etcd). */
const PAGE_BYTES = 64 << 20;
const LINE_BYTES = 4 << 20;
/** After so long the server ends a watch, s; each at another time. */
const WATCH_SECONDS = 300;

/** What cannot go on from where it was: everything is listed anew. */
class Expired extends Error {}

/**
 * Keeps up with one resource: lists it in pages, watches from there with bookmarks, goes on from
 * the last version after a break, and lists anew after 410 Gone
 * (kubernetes.io/docs/reference/using-api/api-concepts).
 */
export class ListWatch {
  readonly #path: string;
  readonly #get: Get;
  readonly #events: ListWatchEvents;
  readonly #times: ListWatchTimes;
  readonly #stop = new AbortController();
  #version: string | null = null;
  #failures = 0;

  /** @param path with its query, such as `/api/v1/pods?fieldSelector=…` */
  constructor(path: string, get: Get, events: ListWatchEvents, times: ListWatchTimes = TIMES) {
    this.#path = path;
    this.#get = get;
    this.#events = events;
    this.#times = times;
  }

  /** Goes on until it is stopped. */
  async run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        if (this.#version === null) await this.#list();
        await this.#watch();
        // A server ends a watch from time to time, and all clients come at once after a restart.
        await this.#pause(this.#times.first / 5);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (error instanceof Expired) this.#version = null;
        else this.#events.onFault(error instanceof Error ? error.message : String(error));
        const wait = Math.min(this.#times.first * 2 ** this.#failures, this.#times.most);
        this.#failures += 1;
        await this.#pause(wait);
      }
    }
  }

  stop(): void {
    this.#stop.abort();
  }

  async #list(): Promise<void> {
    let next = '';
    let version = '';
    this.#events.onListBegin();
    do {
      const query = `limit=${PAGE_OBJECTS}${next === '' ? '' : `&continue=${encodeURIComponent(next)}`}`;
      const page = await this.#page(`${this.#path}${this.#joint}${query}`);
      const { items, metadata } = page;
      if (!Array.isArray(items)) throw new Error('a list without items');
      // A page at a time: all objects of a large cluster take more memory than their names.
      for (const item of items) this.#events.onPut(fieldsOf(item));
      const { continue: more, resourceVersion } = fieldsOf(metadata);
      next = typeof more === 'string' ? more : '';
      version = typeof resourceVersion === 'string' ? resourceVersion : '';
    } while (next !== '');
    if (version === '') throw new Error('a list without a version');
    this.#version = version;
    this.#events.onListEnd();
    this.#well();
  }

  get #joint(): string {
    return this.#path.includes('?') ? '&' : '?';
  }

  async #page(path: string): Promise<KubeObject> {
    const end = this.#deadline();
    try {
      end.within(this.#times.page);
      const { status, body } = await this.#get(path, end.signal);
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of body) {
        bytes += chunk.length;
        if (bytes > PAGE_BYTES) throw new Error(`a page of more than ${PAGE_BYTES} bytes`);
        chunks.push(chunk);
      }
      const text = Buffer.concat(chunks).toString();
      if (status === 410) throw new Expired();
      if (status !== 200) throw new Error(`status ${status}${reasonOf(text)}`);
      return fieldsOf(JSON.parse(text));
    } finally {
      end.clear();
    }
  }

  async #watch(): Promise<void> {
    const end = this.#deadline();
    const seconds = Math.round(WATCH_SECONDS * (1 + Math.random()));
    const query =
      `watch=1&allowWatchBookmarks=true&resourceVersion=${encodeURIComponent(this.#version ?? '')}` +
      `&timeoutSeconds=${seconds}`;
    try {
      end.within(this.#times.silence);
      const { status, body } = await this.#get(`${this.#path}${this.#joint}${query}`, end.signal);
      if (status === 410) throw new Expired();
      if (status !== 200) throw new Error(`status ${status}`);
      this.#well();
      let rest = Buffer.alloc(0);
      for await (const chunk of body) {
        end.within(this.#times.silence);
        rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
        for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
          const line = rest.subarray(0, at).toString();
          rest = rest.subarray(at + 1);
          if (line.trim() !== '') this.#receive(fieldsOf(JSON.parse(line)));
        }
        if (rest.length > LINE_BYTES) throw new Error(`a line of more than ${LINE_BYTES} bytes`);
      }
      // Half a line at the end was cut off; it comes again from the last version on.
    } finally {
      end.clear();
    }
  }

  #receive({ type, object }: KubeObject): void {
    const fields = fieldsOf(object);
    if (type === 'ERROR') {
      const { code, message } = fields;
      if (code === 410) throw new Expired();
      throw new Error(`the watch ended: ${typeof message === 'string' ? message : String(code)}`);
    }
    const { resourceVersion } = fieldsOf(fields['metadata']);
    if (type === 'ADDED' || type === 'MODIFIED') this.#events.onPut(fields);
    else if (type === 'DELETED') this.#events.onDelete(fields);
    else if (type !== 'BOOKMARK') return;
    if (typeof resourceVersion === 'string') this.#version = resourceVersion;
    this.#events.onContact();
  }

  #well(): void {
    this.#failures = 0;
    this.#events.onFault(null);
    this.#events.onContact();
  }

  #deadline(): { signal: AbortSignal; within(ms: number): void; clear(): void } {
    const controller = new AbortController();
    const onStop = (): void => controller.abort();
    this.#stop.signal.addEventListener('abort', onStop);
    let timer: NodeJS.Timeout | undefined;
    return {
      signal: controller.signal,
      within: (ms) => {
        clearTimeout(timer);
        timer = setTimeout(() => controller.abort(new Error(`no answer for ${ms} ms`)), ms);
      },
      clear: () => {
        clearTimeout(timer);
        this.#stop.signal.removeEventListener('abort', onStop);
        controller.abort();
      },
    };
  }

  /** Between half of it and all of it: others wait too. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms * (0.5 + Math.random() / 2));
      const { signal } = this.#stop;
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
      signal.addEventListener('abort', done);
    });
  }
}

function reasonOf(text: string): string {
  try {
    const { message } = fieldsOf(JSON.parse(text));
    return typeof message === 'string' ? `: ${message}` : '';
  } catch {
    return '';
  }
}

export function fieldsOf(value: unknown): KubeObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as KubeObject)
    : {};
}
