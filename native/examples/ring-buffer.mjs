// Prints the length of each packet that is received, from a ring buffer. Run it as root:
// node ring-buffer.mjs --seconds 5
import { setTimeout as delay } from 'node:timers/promises';
import { BpfObject } from 'ebpf-ts';
import { compile } from './compile.mjs';
import { milliseconds } from './options.mjs';
import { RecordReader } from './record-reader.mjs';

const object = BpfObject.open(compile('programs'));
for (const program of object.programs) program.setAutoload(program.name === 'send_length');
object.load();
const reader = new RecordReader(object.map('lengths'));
const link = object.program('send_length').attachBtf();
function print() {
  reader.read((record) => {
    console.log(`${new DataView(record.buffer, record.byteOffset).getUint32(0, true)} bytes`);
  });
}
// The ring is drained, not waited for.
const timer = setInterval(print, 50);
await delay(milliseconds);
clearInterval(timer);
link.close();
print();
reader.close();
object.close();
