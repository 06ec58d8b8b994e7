// Counts the packets that this machine is sent over IPv4, at netfilter's hook INPUT; Linux 6.4.
// Run it as root: node netfilter-link.mjs --seconds 5
import { setTimeout as delay } from 'node:timers/promises';
import { BpfObject } from 'ebpf-ts';
import { compile } from './compile.mjs';
import { milliseconds } from './options.mjs';

const object = BpfObject.open(compile('netfilter'));
object.load();
const link = object
  .program('count_passed')
  .attachNetfilter({ family: 'ipv4', hook: 'input', priority: -50 });
await delay(milliseconds);
link.close();
const value = object.map('passed').get(new Uint8Array(4));
console.log(`${new DataView(value.buffer, value.byteOffset).getBigUint64(0, true)} packets passed`);
object.close();
