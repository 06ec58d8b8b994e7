import type { FinishedPath } from '../../src/flow/finished-path.js';
import { HopColumns } from '../../src/join/hop-columns.js';
import type { Path } from '../../src/join/path.js';
import { runCommand, runIn } from '../../src/lab/run-command.js';
import type { Sampling } from '../../src/model/sampling.js';
import { Pipeline } from '../../src/pipeline.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import { STAGE_DELIVER, STAGE_NETFILTER } from '../../src/wire/layout.gen.js';
import { TRACER_OBJECT } from './tracer-object.js';

/** Two namespaces joined by a veth pair, and by a VXLAN tunnel on it. */
export const NEAR = { netns: 'hs-gov-near', address: '192.0.2.1', inside: '198.51.100.1' };
export const FAR = { netns: 'hs-gov-far', address: '192.0.2.2', inside: '198.51.100.2' };
const BOTH = [NEAR, FAR];
/** What the far one turns into its own port. */
export const SERVICE_PORT = 53;
export const PORT = 5353;

export async function makeTunnel(): Promise<void> {
  await removeTunnel();
  for (const { netns } of BOTH) {
    await runCommand('ip', ['netns', 'add', netns]);
    await runIn(netns, 'sysctl', ['-q', '-w', 'net.ipv6.conf.all.disable_ipv6=1']);
  }
  await runCommand('ip', [
    ...['link', 'add', 'eth0', 'netns', NEAR.netns, 'type', 'veth'],
    ...['peer', 'name', 'eth0', 'netns', FAR.netns],
  ]);
  for (const { netns, address, inside } of BOTH) {
    const remote = netns === NEAR.netns ? FAR.address : NEAR.address;
    await runIn(netns, 'ip', ['address', 'add', `${address}/24`, 'dev', 'eth0']);
    await runIn(netns, 'ip', ['link', 'set', 'eth0', 'up']);
    await runIn(netns, 'ip', [
      ...['link', 'add', 'vx0', 'type', 'vxlan', 'id', '7', 'dstport', '4789'],
      ...['dev', 'eth0', 'remote', remote],
    ]);
    await runIn(netns, 'ip', ['address', 'add', `${inside}/24`, 'dev', 'vx0']);
    await runIn(netns, 'ip', ['link', 'set', 'vx0', 'up']);
  }
  await runIn(FAR.netns, 'nft', [
    `add table ip t; add chain ip t c { type nat hook prerouting priority dstnat; };
     add rule ip t c udp dport ${SERVICE_PORT} redirect to :${PORT}`,
  ]);
  // Neighbours are known from now on.
  await runIn(NEAR.netns, 'ping', ['-n', '-c', '1', '-W', '1', FAR.inside]);
}

export async function removeTunnel(): Promise<void> {
  for (const { netns } of BOTH) {
    await runCommand('ip', ['netns', 'del', netns]).catch(() => undefined);
  }
}

export interface Watch {
  readonly source: KernelSource;
  readonly pipeline: Pipeline;
  readonly finished: FinishedPath[];
  /** Changes between staying open and windows, with the time of each. */
  readonly modes: { readonly mode: string; readonly at: number }[];
}

export async function watchTunnel(sampling: Sampling): Promise<Watch> {
  const finished: FinishedPath[] = [];
  const modes: { mode: string; at: number }[] = [];
  const source = new KernelSource({
    objectFile: TRACER_OBJECT,
    netns: BOTH.map(({ netns }) => netns),
    sampling,
    onMode: (mode) => modes.push({ mode, at: performance.now() }),
  });
  const pipeline = new Pipeline(source, {
    namespaceFiltered: true,
    onPath: (path) => finished.push(kept(path)),
  });
  await pipeline.start();
  return { source, pipeline, finished, modes };
}

/** A copy: the joiner uses the columns of a path again once nobody is shown it any more. */
function kept(finished: FinishedPath): FinishedPath {
  const { path } = finished;
  const columns = new HopColumns();
  columns.inherit(path.columns, path.length);
  columns.drop = path.columns.drop;
  const copy: Path = Object.assign(Object.create(Object.getPrototypeOf(path)), path, { columns });
  return { ...finished, path: copy };
}

/**
 * Where a packet was seen, in order: at how many places of a hook is a matter of detail, and a
 * process reads it sooner or later, or not at all.
 */
export function shapeOf({ path, verdict }: FinishedPath): string {
  const places = path.hops
    .filter(({ stage }) => stage !== STAGE_DELIVER && stage !== STAGE_NETFILTER)
    .map(({ device, stage }) => `${device.netns}/${device.name}/${stage}`);
  return `${verdict}: ${places.join(' ')}`;
}

export function shapesOf(finished: readonly FinishedPath[]): Map<string, number> {
  const shapes = new Map<string, number>();
  for (const one of finished) {
    const shape = shapeOf(one);
    shapes.set(shape, (shapes.get(shape) ?? 0) + 1);
  }
  return shapes;
}
