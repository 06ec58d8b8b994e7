import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SimulationRecord } from '../../src/export/explanation.js';
import { labDown } from '../../src/lab/down.js';
import { runIn } from '../../src/lab/run-command.js';
import { labUp } from '../../src/lab/up.js';
import { hopscope } from '../cli/command-line.js';
import { traceOf } from './kernel-trace.js';

const NODE = 'node111';
const TABLE = 'traced_by_test';

/** The rules of kube-proxy's table that the kernel says a packet met. */
async function kernelTrace(address: string, send: () => Promise<unknown>): Promise<string[]> {
  const input = `table ip ${TABLE} {
  chain c {
    type filter hook prerouting priority -350;
    ip saddr ${address} tcp flags syn / syn,ack meta nftrace set 1
  }
}
`;
  await runIn(NODE, 'nft', ['-f', '-'], { input });
  try {
    const said = await traceOf(NODE, ['nft', 'monitor', 'trace'], send, / kube-proxy \S+ rule /);
    const [, id = ''] = /^trace id ([0-9a-f]+) /m.exec(said) ?? [];
    return said.split('\n').flatMap((line) => {
      const found = new RegExp(
        `^trace id ${id} ip kube-proxy (\\S+) rule (.*) \\(verdict .*\\)$`,
      ).exec(line);
      return found === null ? [] : [`${found[1]} ${found[2]}`];
    });
  } finally {
    await runIn(NODE, 'nft', ['delete', 'table', 'ip', TABLE]);
  }
}

describe('explain --simulate in nftables mode, judged by the kernel', () => {
  beforeAll(() => labUp({ encap: 'vxlan', proxy: 'nftables' }));
  afterAll(() => labDown());

  it.each([
    ['pod1', '10.244.153.204', '10.107.161.2:8080', 'calice0906292e2', 'default/nginx-pod2'],
    ['pod1', '10.244.153.204', '10.107.161.2:81', 'calice0906292e2', null],
    ['client', '172.20.151.77', '172.18.22.111:30082', 'ens9', 'default/nginx-pod2'],
  ])('from %s (%s) to %s', async (from, address, to, device, service) => {
    const [ip = '', port = ''] = to.split(':');
    const traced = await kernelTrace(address, () =>
      runIn(from, 'timeout', ['0.2', 'bash', '-c', `exec 3<>/dev/tcp/${ip}/${port}`]).catch(
        () => '',
      ),
    );
    const { out, status } = await hopscope(
      ...['explain', '--simulate', '--json', '--netns', NODE, '--in', device],
      ...['--src', `${address}:40000`, '--dst', to],
    );
    expect(status).toBe(0);
    const { ends, problems } = JSON.parse(out) as SimulationRecord;
    expect(problems).toEqual([]);
    expect(ends).toHaveLength(1);
    const met = (ends[0]?.steps ?? [])
      .flatMap(({ rules }) => rules)
      .filter(({ table, rule }) => table === 'kube-proxy' && rule !== null);
    expect(met.map(({ chain, rule }) => `${chain} ${rule}`)).toEqual(traced);
    const names = met.flatMap(({ source }) => (source?.kind === 'Service' ? [source.name] : []));
    expect(new Set(names)).toEqual(new Set(service === null ? [] : [service]));
  });
});
