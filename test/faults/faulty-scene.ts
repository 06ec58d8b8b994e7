import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { makeNet, removeNet, Sender, stateOfNet, WATCHED } from './faulty-net.js';
import { FaultyProcess } from './faulty-process.js';
import { packetsFrom } from './records.js';

/** What a test of a fault starts, all of which is ended after it. */
export class FaultyScene {
  #started: FaultyProcess[] = [];
  #senders: Sender[] = [];

  /** A hopscope command in the network of these tests. */
  begin(
    args: readonly string[],
    wrapper: readonly string[] = [],
    watched = WATCHED,
  ): FaultyProcess {
    const one = new FaultyProcess([...args, ...watched], wrapper);
    this.#started.push(one);
    return one;
  }

  async ready(
    args: readonly string[],
    wrapper: readonly string[] = [],
    watched = WATCHED,
  ): Promise<FaultyProcess> {
    const one = this.begin(args, wrapper, watched);
    await one.untilReady();
    return one;
  }

  /** Datagrams from one port on, to the last one, excluded. */
  async send(from: number, perTick?: number, to = from + 1): Promise<Sender> {
    const sender = await Sender.start(from, to, perTick);
    this.#senders.push(sender);
    return sender;
  }

  /** That it counts what is sent now, to the last packet, and leaves nothing. */
  async expectCounted(flows: FaultyProcess, from: number, to = from + 1): Promise<void> {
    // Devices are chosen a moment after namespaces were found.
    await delay(500);
    const sender = await this.send(from, undefined, to);
    await delay(500);
    const sent = await sender.stop();
    await delay(500);
    flows.note();
    expect(await flows.end('SIGTERM')).toBe(0);
    expect(sent).toBeGreaterThan(100);
    expect(packetsFrom(flows.out, from)).toBe(String(sent));
    await flows.expectNothingLeft();
  }

  end(): void {
    for (const each of this.#started) each.remove();
    for (const each of this.#senders) each.kill();
    this.#started = [];
    this.#senders = [];
  }
}

/** A scene in a network that is there for all tests of a file, and is after each as it was. */
export class LastingScene extends FaultyScene {
  #before: Record<string, string> = {};

  async begun(): Promise<void> {
    expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
    await makeNet();
    this.#before = await stateOfNet();
  }

  async expectAsBefore(): Promise<void> {
    expect(await stateOfNet()).toEqual(this.#before);
  }
}

export function sceneForAll(afterThat: () => void | Promise<void> = () => undefined): LastingScene {
  const scene = new LastingScene();
  beforeAll(() => scene.begun());
  afterEach(async () => {
    scene.end();
    await afterThat();
    await scene.expectAsBefore();
  });
  afterAll(() => removeNet());
  return scene;
}

/** The same with an empty folder for each test, which may mount something on it. */
export function sceneInFolder(): { readonly scene: LastingScene; folder(): string } {
  let path = '';
  const scene = sceneForAll(() => {
    spawnSync('umount', ['--quiet', path]);
    rmSync(path, { recursive: true, force: true });
  });
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'hs-fault-place-'));
    chmodSync(path, 0o755);
  });
  return { scene, folder: () => path };
}
