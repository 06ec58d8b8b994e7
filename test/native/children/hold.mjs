// Loads and attaches what this kernel has, prints the programs' ids and waits to be ended.
import { BpfObject, probe, RingBuffer } from 'ebpf-ts';
import { objectPath } from './counting.mjs';

const { tcx, netfilterLink } = probe();
const object = BpfObject.open(objectPath());
object.load();
const links = [
  object.program('on_raw').attachRawTracepoint('sys_enter'),
  object.program('on_receive').attachBtf(),
  object.program('on_tracepoint').attachTracepoint('sched', 'sched_switch'),
];
if (tcx.available) {
  links.push(object.program('on_tcx').attachTcx({ ifindex: 1, direction: 'ingress' }));
}
if (netfilterLink.available) {
  const hooks = BpfObject.open(process.argv[3] ?? '');
  hooks.load();
  const place = /** @type {const} */ ({ family: 'ipv4', hook: 'input', priority: 91 });
  links.push(hooks.program('on_netfilter').attachNetfilter(place));
}
const ring = new RingBuffer(object.map('ring'));
const ids = links.map((link) => link.info().programId);
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
