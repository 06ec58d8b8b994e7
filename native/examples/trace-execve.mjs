// Prints each program that is started on this machine. Run it as root:
// node trace-execve.mjs --seconds 5
import { setTimeout as delay } from 'node:timers/promises';
import { BpfObject } from 'ebpf-ts';
import { compile } from './compile.mjs';
import { milliseconds } from './options.mjs';
import { RecordReader } from './record-reader.mjs';

const object = BpfObject.open(compile('programs'));
for (const program of object.programs) program.setAutoload(program.name === 'on_exec');
object.load();
const reader = new RecordReader(object.map('commands'));
const link = object.program('on_exec').attachBtf();
const text = new TextDecoder();
function print() {
  reader.read((record) => {
    const name = text.decode(record.subarray(4)).replace(/\0.*$/s, '');
    const pid = new DataView(record.buffer, record.byteOffset).getUint32(0, true);
    console.log(`${pid} ${name}`);
  });
}
const timer = setInterval(print, 50);
await delay(milliseconds);
clearInterval(timer);
link.close();
print();
reader.close();
object.close();
