import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { FlowRecord, PathRecord } from '../../src/model/records.js';
import { Pipeline } from '../../src/pipeline.js';
import { KernelSource } from '../../src/source/kernel-source.js';

const TRACER = fileURLToPath(new URL('../../dist/bpf/tracer.bpf.o', import.meta.url));
/** A guest of test/guest has this folder. */
const GUEST = '/run/guest';
const POLL_MS = 25;
const SETTLE_LIMIT_MS = 20_000;

/**
 * hopscope for as long as a lab is up: the source and the pipeline of its commands, in
 * this process, since starting it costs more than a scene.
 */
export class Observer {
  readonly #pipeline: Pipeline;
  readonly #warnings: string[] = [];
  #paths: PathRecord[] = [];
  #ended: FlowRecord[] = [];
  #begin = 0;
  /** Up to when all that began has been joined, CLOCK_MONOTONIC in ns. */
  #joined = 0n;
  /** Lost before the scene: an interrupt may cost a hop at any time, and the next scene is whole. */
  #lostBefore = 0n;

  private constructor() {
    const source = new KernelSource({
      objectFile: TRACER,
      // On an emulated machine a device counts what is traced up to seconds later, and packet
      // sockets change what is sent again: counting has tests of its own there.
      count: !existsSync(GUEST),
      onWarning: (message) => this.#warnings.push(message),
    });
    this.#pipeline = new Pipeline(source, {
      tap: {
        batch: () => undefined,
        tick: (now) => {
          this.#joined = now;
        },
        catalog: () => undefined,
        end: () => undefined,
      },
      onPath: (finished) => this.#paths.push(this.#pipeline.pathRecord(finished)),
      // A scene on a slow machine may outlast a connection that is over.
      onFlowEnd: (flow) => this.#ended.push(this.#pipeline.flowRecord(flow)),
    });
  }

  static async start(): Promise<Observer> {
    const observer = new Observer();
    await observer.#pipeline.start();
    return observer;
  }

  /** From here on it is the next scene. */
  async begin(): Promise<void> {
    await this.#settle();
    this.#lostBefore = BigInt(this.#pipeline.quality().lost);
    this.#paths = [];
    this.#ended = [];
    this.#begin = this.#pipeline.flows.version;
  }

  /** What the scene was, once every packet of it came to its end. */
  async records(): Promise<{ paths: readonly PathRecord[]; flows: readonly FlowRecord[] }> {
    await this.#settle();
    this.#requireWhole();
    const changed = this.#pipeline.flows
      .changedSince(this.#begin)
      .map((flow) => this.#pipeline.flowRecord(flow));
    return { paths: this.#paths, flows: [...this.#ended, ...changed] };
  }

  async stop(): Promise<void> {
    await this.#pipeline.stop();
  }

  async #settle(): Promise<void> {
    const started = performance.now();
    const now = process.hrtime.bigint();
    // No path is open either while what came is still in the ring: on a busy machine for long.
    for (let isOver = false; !isOver; ) {
      await delay(POLL_MS);
      isOver = this.#joined > now && this.#pipeline.joiner.openPaths === 0;
      if (performance.now() - started > SETTLE_LIMIT_MS) {
        throw new Error(`${this.#pipeline.joiner.openPaths} packets did not come to an end`);
      }
    }
  }

  #requireWhole(): void {
    const { lost: inAll, evicted, losses } = this.#pipeline.quality();
    const lost = BigInt(inAll) - this.#lostBefore;
    if (lost !== 0n || evicted !== '0' || this.#warnings.length > 0) {
      const { joiner, flows } = this.#pipeline;
      const counts = JSON.stringify([
        { ...joiner.counters, gsoPackets: joiner.gsoPacketsRefused },
        { devices: joiner.devices.evicted, tuples: joiner.tuples.refused },
        { relays: joiner.relays.forgotten, ...flows.counters },
        losses,
      ]);
      const what = `hopscope lost ${lost}, evicted ${evicted} of ${counts}`;
      throw new Error([what, ...this.#warnings].join('; '));
    }
  }
}
