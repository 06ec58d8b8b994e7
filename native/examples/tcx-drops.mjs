// Drops every second packet that a device sends, and counts the drops; Linux 6.6. Run it as root,
// on a device of no importance: node tcx-drops.mjs --device dummy0 --seconds 5
import { setTimeout as delay } from 'node:timers/promises';
import { BpfObject } from 'ebpf-ts';
import { compile } from './compile.mjs';
import { ifindex, milliseconds } from './options.mjs';

const object = BpfObject.open(compile('programs'));
for (const program of object.programs) program.setAutoload(program.name === 'drop_half');
object.load();
const link = object.program('drop_half').attachTcx({ ifindex: ifindex(), direction: 'egress' });
console.log('attached');
await delay(milliseconds);
link.close();
const value = object.map('dropped').get(new Uint8Array(4));
console.log(
  `${new DataView(value.buffer, value.byteOffset).getBigUint64(0, true)} packets dropped`,
);
object.close();
