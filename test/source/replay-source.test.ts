import { mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FlowRecord, PathRecord } from 'hopscope-protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { labDown } from '../../src/lab/down.js';
import { labUp } from '../../src/lab/up.js';
import { Pipeline } from '../../src/pipeline.js';
import { beginRecording, endRecording } from '../../src/source/kernel-recording.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import { Recording } from '../../src/source/recording.js';
import type { RecordingWriter } from '../../src/source/recording-writer.js';
import { ReplaySource } from '../../src/source/replay-source.js';
import type { Source } from '../../src/source/source.js';
import { packetKey } from '../scenario/frame.js';
import { HopscopeProcess } from '../scenario/hopscope-process.js';
import { framesOf, route } from '../scenario/judge.js';
import { http, ping } from '../scenario/traffic.js';
import { TRACER_OBJECT } from './tracer-object.js';

const folder = mkdtempSync(join(tmpdir(), 'hopscope-replay-'));

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await labUp({ encap: 'vxlan' });
});
afterAll(async () => {
  await labDown();
  rmSync(folder, { recursive: true, force: true });
});

/** Through a tunnel, through a service, and to where nobody is. */
async function traffic(port: number): Promise<void> {
  expect(await ping('pod1', '10.244.146.205')).toBe(2);
  expect(await http('pod1', port, '10.107.161.3', 8080)).toMatchObject({ pod: 'pod3' });
  expect(await ping('pod1', '10.244.153.250')).toBe(0);
}

interface Seen {
  readonly paths: readonly PathRecord[];
  readonly flows: readonly FlowRecord[];
}

async function joined(source: Source, during: () => Promise<unknown>, tap?: RecordingWriter) {
  const paths: PathRecord[] = [];
  const pipeline: Pipeline = new Pipeline(source, {
    onPath: (finished) => paths.push(pipeline.pathRecord(finished)),
    ...(tap === undefined ? {} : { tap }),
  });
  await pipeline.start();
  await during();
  await pipeline.stop();
  const flows = pipeline.flows.changedSince(0).map((flow) => pipeline.flowRecord(flow));
  return { paths, flows } satisfies Seen;
}

it('gives the same paths and flows as were seen live, to the last id and nanosecond', async () => {
  const file = join(folder, 'live.hops');
  const source = new KernelSource({ objectFile: TRACER_OBJECT });
  const writer = beginRecording(source, file, false);
  const live = await joined(source, () => traffic(42001), writer);
  endRecording(source, writer);
  expect(live.paths.length).toBeGreaterThan(10);
  expect(live.paths.some(({ drop }) => drop?.location === 'ip_error')).toBe(true);
  expect(live.flows.some(({ service }) => service === 'default/nginx-pod3')).toBe(true);

  const replay = new ReplaySource(Recording.read(file), { paced: false });
  const again = await joined(replay, () => replay.finished);
  expect(again).toEqual(live);
  expect(replay.lost()).toBe(source.lost());
});

it('the commands: what replay prints is what trace printed of the same packets', async () => {
  const file = join(folder, 'command.hops');
  const [record, trace] = await Promise.all([
    HopscopeProcess.ready(['record', file]),
    HopscopeProcess.ready(['trace', '--json']),
  ]);
  await traffic(42002);
  expect(await record.stop()).toBe(0);
  expect(await trace.stop()).toBe(0);
  const replay = new HopscopeProcess(['replay', file, '--paths', '--json']);
  expect(await replay.ended()).toBe(0);
  expect(replay.err).toBe('');
  expect(summary(replay)).toEqual(summary(trace));
  const flows = new HopscopeProcess(['replay', file, '--json']);
  expect(await flows.ended()).toBe(0);
  const services = flows.records<FlowRecord>().map(({ service }) => service);
  expect(services.filter((service) => service !== null)).toEqual(['default/nginx-pod3']);
});

/** By packet: where it went and what became of it, in text. Ids and times are each one's own. */
function summary(command: HopscopeProcess): string[] {
  return command
    .records<PathRecord>()
    .filter(({ hops }) => hops.some(({ netns }) => netns === 'pod1'))
    .filter(({ hops }) => hops[0]?.tuple?.proto !== 'arp')
    .map((path) => {
      const [first] = framesOf(path);
      const key = first === undefined ? 'no device' : packetKey(first);
      return `${key}: ${path.verdict} ${path.drop?.location} ${route(path).join(', ')}`;
    })
    .sort();
}

it('plays a recording that was cut off, as far as it goes, and says so', async () => {
  const file = join(folder, 'command.hops');
  truncateSync(file, Math.floor(statSync(file).size / 2));
  const replay = new HopscopeProcess(['replay', file, '--paths', '--json']);
  expect(await replay.ended()).toBe(0);
  expect(replay.err).toContain('was cut off');
});

it('refuses what is no recording with a code', async () => {
  const file = join(folder, 'absent.hops');
  const absent = new HopscopeProcess(['replay', file]);
  expect(await absent.ended()).toBe(1);
  expect(absent.err).toContain('[RECORDING_NOT_READABLE]');
  const other = new HopscopeProcess(['replay', TRACER_OBJECT]);
  expect(await other.ended()).toBe(1);
  expect(other.err).toContain('[RECORDING_NOT_ONE]');
});
