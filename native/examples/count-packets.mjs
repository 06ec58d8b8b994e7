// Counts the packets that all devices receive: a program at a tracepoint, and a map with a
// counter for each CPU. Run it as root: node count-packets.mjs --seconds 5
import { setTimeout as delay } from 'node:timers/promises';
import { BpfObject } from 'ebpf-ts';
import { compile } from './compile.mjs';
import { milliseconds } from './options.mjs';

const object = BpfObject.open(compile('programs'));
for (const program of object.programs) program.setAutoload(program.name === 'count_packet');
object.load();
const link = object.program('count_packet').attachBtf();
await delay(milliseconds);
link.close();
const [slot] = object.map('packets').entries();
const perCpu = slot[1];
const counts = new DataView(perCpu.buffer, perCpu.byteOffset, perCpu.byteLength);
let sum = 0n;
for (let at = 0; at < perCpu.byteLength; at += 8) sum += counts.getBigUint64(at, true);
console.log(`${sum} packets received`);
object.close();
