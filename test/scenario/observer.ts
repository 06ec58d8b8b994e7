import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { FlowRecord, PathRecord } from 'hopscope-protocol';
import { ORIGINAL, REPLY } from '../../src/flow/direction-index.js';
import type { Flow } from '../../src/flow/flow.js';
import { LabNames } from '../../src/lab/lab-names.js';
import { Pipeline } from '../../src/pipeline.js';
import type { ToExplain } from '../../src/pipeline-rules.js';
import { beginRecording, endRecording } from '../../src/source/kernel-recording.js';
import { KernelSource } from '../../src/source/kernel-source.js';

const TRACER = fileURLToPath(new URL('../../dist/bpf/tracer.bpf.o', import.meta.url));
/** A guest of test/guest has this folder. */
const GUEST = '/run/guest';
const POLL_MS = 25;
const SETTLE_LIMIT_MS = 20_000;
/** Counts are read at most a second apart; see src/source/flow-counting.ts. */
const COUNT_LIMIT_MS = 3_000;
const RULES_LIMIT_MS = 5_000;
/** Where to record all scenes of a file, for `hopscope replay`: what fails now and then is seen there. */
const RECORDING = process.env.HOPSCOPE_SCENES;

/**
 * hopscope for as long as a lab is up: the source and the pipeline of its commands, in
 * this process, since starting it costs more than a scene.
 */
export class Observer {
  readonly #source: KernelSource;
  readonly #pipeline: Pipeline;
  readonly #endRecording: () => void;
  readonly #warnings: string[] = [];
  #paths: ToExplain[] = [];
  #ended: FlowRecord[] = [];
  #begin = 0;
  /** Up to when all that began has been joined, CLOCK_MONOTONIC in ns. */
  #joined = 0n;
  /** Lost before the scene: an interrupt may cost a hop at any time, and the next scene is whole. */
  #lostBefore = 0n;

  private constructor() {
    const source = new KernelSource({
      objectFile: TRACER,
      names: [new LabNames()],
      // On an emulated machine a device counts what is traced up to seconds later, and packet
      // sockets change what is sent again: counting has tests of its own there.
      count: !existsSync(GUEST),
      rules: true,
      onWarning: (message) => this.#warnings.push(message),
    });
    this.#source = source;
    const recorded = RECORDING === undefined ? null : beginRecording(source, RECORDING, false);
    this.#endRecording = () => {
      if (recorded !== null) endRecording(source, recorded);
    };
    this.#pipeline = new Pipeline(source, {
      tap: {
        batch: (records, length) => recorded?.batch(records, length),
        tick: (now) => {
          this.#joined = now;
          recorded?.tick(now);
        },
        detail: (at, detail) => recorded?.detail(at, detail),
        count: (row) => recorded?.count(row),
        catalog: (catalog) => recorded?.catalog(catalog),
        end: () => recorded?.end(),
      },
      onPath: (finished) => this.#paths.push(this.#pipeline.toExplain(finished)),
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
    await this.#source.lookAtRules();
    await this.#settle();
    this.#lostBefore = BigInt(this.#pipeline.quality().lost);
    this.#paths = [];
    this.#ended = [];
    this.#begin = this.#pipeline.flows.version;
  }

  /** What the scene was, once every packet of it came to its end. */
  async records(): Promise<{ paths: readonly PathRecord[]; flows: readonly FlowRecord[] }> {
    await this.#settle();
    await this.#countsRead();
    await this.#rulesRead();
    this.#requireWhole();
    const changed = this.#changed().map((flow) => this.#pipeline.flowRecord(flow));
    const paths = this.#paths.map((path) => this.#pipeline.ruleReading.explained(path));
    return { paths, flows: [...this.#ended, ...changed] };
  }

  async stop(): Promise<void> {
    await this.#pipeline.stop();
    this.#endRecording();
  }

  #changed(): readonly Flow[] {
    return this.#pipeline.flows.changedSince(this.#begin);
  }

  /** The kernel's counts are read less often than packets are joined. */
  async #countsRead(): Promise<void> {
    const started = performance.now();
    const isBehind = (flow: Flow) =>
      ([ORIGINAL, REPLY] as const).some(
        (way) => flow.packets(way) < (flow.tracedIn(way)?.packets ?? 0),
      );
    while (this.#changed().some(isBehind) && performance.now() - started < COUNT_LIMIT_MS) {
      await delay(POLL_MS);
    }
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

  /** What has passed is explained by rules that are known up to its end. */
  async #rulesRead(): Promise<void> {
    const started = performance.now();
    const rules = this.#pipeline.ruleReading;
    await this.#source.lookAtRules();
    while (
      !this.#paths.every((path) => rules.isReady(path)) &&
      performance.now() - started < RULES_LIMIT_MS
    ) {
      await delay(POLL_MS);
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
        { proxyLinker: joiner.proxyLinker.forgotten, ...flows.counters },
        losses,
      ]);
      const what = `hopscope lost ${lost}, evicted ${evicted} of ${counts}`;
      throw new Error([what, ...this.#warnings].join('; '));
    }
  }
}
