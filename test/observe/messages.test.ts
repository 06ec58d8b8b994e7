import { expect, it } from 'vitest';
import { ChannelError } from '../../src/channel/frame.js';
import { type ObserveMessage, parseToObserver } from '../../src/observe/messages.js';

const OBSERVE: ObserveMessage = {
  type: 'observe',
  netns: ['a', 'b'],
  sampling: { mode: 'auto', budget: 0.05 },
  filter: 'icmp',
  names: { file: null, cri: ['/run/a.sock'], docker: null, kubernetes: 'auto', node: 'n1' },
  ringBytes: 1 << 24,
  count: true,
  rules: true,
  audit: true,
  epochNs: '123456789012345',
  hasServer: true,
  log: { level: 'info', format: 'json' },
};

function parsed(value: unknown): unknown {
  return parseToObserver(Buffer.from(JSON.stringify(value)));
}

it.each([
  OBSERVE,
  { ...OBSERVE, netns: null, filter: null, sampling: { mode: 'all' } },
  { ...OBSERVE, sampling: { mode: 'one-in', oneIn: 100 } },
  { type: 'port', port: 7677 },
  { type: 'read', records: 12, cpuMs: 3.5 },
  { type: 'met', netns: 4026531840 },
  { type: 'request' },
  { type: 'notify', state: 'READY=1\nSTATUS=dashboard on http://127.0.0.1:1; 0 flows' },
  { type: 'finish' },
])('takes what the joiner sends: %j', (message) => {
  expect(parsed(message)).toMatchObject(message);
});

it.each([
  null,
  'finish',
  {},
  { type: 'load', file: '/tmp/x.o' },
  { ...OBSERVE, netns: [''] },
  { ...OBSERVE, netns: Array.from({ length: 5_000 }, () => 'x') },
  { ...OBSERVE, sampling: { mode: 'auto', budget: -1 } },
  { ...OBSERVE, filter: 'x'.repeat(5_000) },
  { ...OBSERVE, epochNs: 12 },
  { ...OBSERVE, ringBytes: 2 ** 40 },
  { type: 'port', port: 65_536 },
  { type: 'port', port: Number.NaN },
  { type: 'read', records: -1, cpuMs: 0 },
  { type: 'met', netns: '../x' },
  { type: 'notify', state: 'MAINPID=1' },
  { type: 'notify', state: 'READY=1\nFDSTORE=1' },
  { type: 'notify', state: '' },
])('refuses what it has no reason to send: %j', (message) => {
  expect(() => parsed(message)).toThrow(ChannelError);
});

it('refuses what is not JSON', () => {
  expect(() => parseToObserver(Buffer.from('{'))).toThrow(ChannelError);
});
