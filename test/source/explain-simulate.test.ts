import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SimulationRecord } from '../../src/export/explanation.js';
import { labDown } from '../../src/lab/down.js';
import { runIn } from '../../src/lab/run-command.js';
import { labUp } from '../../src/lab/up.js';
import { hopscope } from '../cli/command-line.js';
import { traceOf } from './kernel-trace.js';

const NODE = 'node111';

/** A rule that the kernel says a packet met: its text, or a policy. */
async function kernelTrace(match: string, send: () => Promise<unknown>): Promise<string[]> {
  const rule = `-s ${match} -p tcp -m tcp --syn -j TRACE`.split(' ');
  await runIn(NODE, 'iptables-nft', ['-t', 'raw', '-I', 'PREROUTING', '1', ...rule]);
  try {
    const said = await traceOf(NODE, ['xtables-monitor', '-t'], send, / TRACE: /);
    const lines = said.split('\n');
    const [, id = ''] = / TRACE: \d+ ([0-9a-f]+) /.exec(said) ?? [];
    return lines.flatMap((line) => {
      const found = new RegExp(` TRACE: \\d+ ${id} (\\S+?):(\\S+?):(rule|policy):(\\S+)(.*)`).exec(
        line,
      );
      if (found === null || line.endsWith('-j TRACE')) return [];
      const [, table = '', chain = '', kind, verdict, rest = ''] = found;
      if (kind === 'policy') return [`${table} ${chain} policy ${verdict}`];
      return [`${table} ${rest.trim().replace(/^-4 -t \S+ /, '')}`];
    });
  } finally {
    await runIn(NODE, 'iptables-nft', ['-t', 'raw', '-D', 'PREROUTING', ...rule]);
  }
}

async function simulated(...args: string[]): Promise<SimulationRecord> {
  const { out, status } = await hopscope('explain', '--simulate', '--json', ...args);
  expect(status).toBe(0);
  return JSON.parse(out) as SimulationRecord;
}

/** The rules of the only end, in the form that the trace has. */
function rulesOf({ ends }: SimulationRecord): string[] {
  expect(ends).toHaveLength(1);
  return (ends[0]?.steps ?? [])
    .flatMap(({ rules }) => rules)
    .filter(({ backend }) => backend !== 'route')
    .map(({ table, chain, rule, verdict }) => `${table} ${rule ?? `${chain} ${verdict}`}`);
}

const isPolicy = (line: string): boolean => / policy [A-Z]+$/.test(line);

describe('explain --simulate, judged by the kernel', () => {
  beforeAll(() => labUp({ encap: 'vxlan', policy: true }));
  afterAll(() => labDown());

  it.each([
    [
      'pod1',
      'a service with an endpoint on the node',
      '10.244.153.204',
      '10.107.161.2:8080',
      'calice0906292e2',
      'forwarded',
    ],
    [
      'pod1',
      'a service with an endpoint on the other node',
      '10.244.153.204',
      '10.107.161.3:8080',
      'calice0906292e2',
      'forwarded',
    ],
    [
      'pod2',
      'a service, to itself',
      '10.244.153.201',
      '10.107.161.2:8080',
      'calibd2348b4f67',
      'dropped',
    ],
    [
      'pod1',
      'a pod, at a port that no policy allows',
      '10.244.153.204',
      '10.244.153.201:81',
      'calice0906292e2',
      'dropped',
    ],
    ['client', 'a node port', '172.20.151.77', '172.18.22.111:30082', 'ens9', null],
  ])('%s to %s', async (from, _what, address, to, device, verdict) => {
    const [ip = '', port = ''] = to.split(':');
    const traced = await kernelTrace(address, () =>
      runIn(from, 'timeout', ['0.2', 'bash', '-c', `exec 3<>/dev/tcp/${ip}/${port}`]).catch(
        () => '',
      ),
    );
    const record = await simulated(
      ...['--netns', NODE, '--in', device, '--src', `${address}:40000`, '--dst', to],
    );
    const rules = rulesOf(record);
    expect(rules.filter((line) => !isPolicy(line))).toEqual(
      traced.filter((line) => !isPolicy(line)),
    );
    // Of a chain without rules nothing is said.
    expect(traced).toEqual(expect.arrayContaining(rules));
    if (verdict !== null) expect(record.ends[0]?.verdict).toBe(verdict);
  });
});
