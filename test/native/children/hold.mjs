// Loads and attaches, prints the programs' ids and waits to be ended.
import { BpfObject, RingBuffer } from 'ebpf-ts';
import { objectPath } from './counting.mjs';

const object = BpfObject.open(objectPath());
object.load();
const links = [
  object.program('on_raw').attachRawTracepoint('sys_enter'),
  object.program('on_receive').attachBtf(),
  object.program('on_tracepoint').attachTracepoint('sched', 'sched_switch'),
  object.program('on_tcx').attachTcx({ ifindex: 1, direction: 'ingress' }),
  object.program('on_netfilter').attachNetfilter({ family: 'ipv4', hook: 'input', priority: 91 }),
];
const ring = new RingBuffer(object.map('ring'));
const ids = ['on_raw', 'on_receive', 'on_tracepoint', 'on_tcx', 'on_netfilter'].map(
  (name) => object.program(name).info().id,
);
process.stdout.write(`${JSON.stringify(ids)}\n`);
const timer = setInterval(() => ring.drain(new Uint8Array(4096)), 10);
process.stdin.once('data', (how) => {
  const ending = how.toString().trim();
  if (ending === 'exit') process.exit(0);
  if (ending === 'throw') throw new Error('thrown with links attached');
  // Nothing is closed; the process ends because nothing is left to do.
  clearInterval(timer);
  process.stdin.destroy();
  process.on('exit', () => console.log(links.length));
});
