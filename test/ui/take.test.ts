import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { FlowRow } from 'hopscope-protocol';
import { describe, expect, test } from 'vitest';
import { flowRow } from '../../src/serve/flow-row.js';
import { flowsCsv, flowsJson } from '../../ui/src/take/flow-files.js';
import { pathText, pcapFilter, tcpdumpCommands } from '../../ui/src/take/path-words.js';
import { droppedPath, serviceFlow, servicePath } from '../serve/fixture-feed.js';

const flow = serviceFlow('a', 3);
const path = servicePath('a', 3, 'original', 38_610);

describe('flows as a file', () => {
  const row = flowRow(flow);

  test('have a line each in CSV, under names that stay', () => {
    const [head, line, end] = flowsCsv([row]).split('\r\n');
    expect(head).toMatch(/^id,start_ns,last_ns,proto,state,src_name,src,dst,service/);
    expect(line?.split(',')).toHaveLength(head?.split(',').length ?? 0);
    expect(line).toContain('10.107.161.255:8080');
    expect(end).toBe('');
  });

  test('are text in a spreadsheet, whatever the network named them', () => {
    const named: FlowRow = { ...row, srcName: '=HYPERLINK("x")', dstName: 'a,b' };
    expect(flowsCsv([named])).toContain('"\'=HYPERLINK(""x"")"');
    expect(flowsCsv([named])).toContain('"a,b"');
  });

  test('say in JSON by which filter and when they were taken', () => {
    const told = JSON.parse(flowsJson([row], 'proto:tcp', '7')) as Record<string, unknown>;
    expect(told).toMatchObject({ type: 'flows', filter: 'proto:tcp', now: '7', flows: [row] });
  });
});

test('a packet as text has its hops, and what changed at each', () => {
  const text = pathText(path);
  expect(text.trimEnd().split('\n')).toHaveLength(1 + path.hops.length);
  expect(text).toContain('10.107.161.255:8080 → 10.244.146.205:80');
  expect(pathText(droppedPath('b', 0, 1))).toMatch(/dropped: NETFILTER_DROP\n/);
});

describe('a pcap filter', () => {
  const filter = pcapFilter(flow, [path]);

  test('has both ways, before and after translation', () => {
    expect(filter).toContain('src host 10.244.153.204 and src port 38610');
    expect(filter).toContain('dst host 10.107.161.255 and dst port 8080');
    expect(filter).toContain('dst host 10.244.146.205 and dst port 80');
  });

  test.skipIf(!existsSync('/usr/bin/tcpdump'))('is one that tcpdump takes', () => {
    expect(
      execFileSync('/usr/bin/tcpdump', ['-d', '-y', 'EN10MB', filter], { encoding: 'utf8' }),
    ).toContain('ret');
  });
});

test('there is a tcpdump command for each device, in its namespace', () => {
  const commands = tcpdumpCommands(flow, path).trimEnd().split('\n');
  expect(commands[0]).toMatch(/^ip netns exec pod1 tcpdump -e -n -i eth0 '/);
  expect(commands).toHaveLength(8);
});
