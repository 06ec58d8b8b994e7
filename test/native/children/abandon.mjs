// Drops every handle without closing it and lets the collector find them.
// Run with --expose-gc; prints descriptors and mappings while held, then after.
import { BpfObject, Btf, RingBuffer } from 'ebpf-ts';
import { bpfDescriptors, objectPath, ringMappings, until } from './counting.mjs';

const collect = globalThis.gc;
if (collect === undefined) throw new Error('run with --expose-gc');

function hold() {
  const object = BpfObject.open(objectPath());
  object.load();
  return {
    program: object.program('on_tcx'),
    others: [
      object,
      object.program('on_raw').attachRawTracepoint('sys_enter'),
      object.program('on_receive').attachBtf(),
      object.program('on_tracepoint').attachTracepoint('sched', 'sched_switch'),
      new RingBuffer(object.map('ring')),
      Btf.kernel(),
    ],
  };
}

/** @type {ReturnType<typeof hold> | null} */
let held = hold();
const before = { descriptors: bpfDescriptors(), mappings: ringMappings() };
// What is left of an object is enough to keep all of it.
held.others.length = 0;
await until(() => {
  collect();
  return false;
}, 300);
const partly = { descriptors: bpfDescriptors(), works: held.program.info().type };
held = null;
await until(() => {
  collect();
  return bpfDescriptors() === 0 && ringMappings() === 0;
});
const after = { descriptors: bpfDescriptors(), mappings: ringMappings() };
console.log(JSON.stringify({ before, partly, after }));
