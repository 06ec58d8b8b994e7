// Takes what was handed over, gives up its privileges, and reports what it can do then.
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { adoptMap, BpfObject, confine, netnsIdentity, RingBuffer, runDescriptor } from 'ebpf-ts';

const [, , object = '', user = '', keep = '', victim = ''] = process.argv;
const held = BpfObject.open(object);
held.load();
held.map('payloads').put(new Uint8Array(4), new Uint8Array(4096).fill(7));
const another = BpfObject.open(object);
const map = adoptMap(held.map('payloads').descriptor());
const ring = new RingBuffer(adoptMap(held.map('ring').descriptor()));
// Threads of libuv's pool are there before, and have to be confined too.
await promisify(setImmediate)();
await import('node:fs/promises').then(({ readFile }) => readFile('/etc/hostname'));
confine({
  ...(user === '' ? {} : { user: Number(user) }),
  keep: keep === '' ? [] : /** @type {import('ebpf-ts').CapabilityName[]} */ (keep.split(',')),
  filter: keep === '',
});

/** @param {() => unknown} act */
function outcome(act) {
  try {
    act();
    return 'done';
  } catch (error) {
    return /** @type {{ code?: string }} */ (error).code ?? String(error);
  }
}

const status = (/** @type {string} */ thread) =>
  readFileSync(`/proc/self/task/${thread}/status`, 'utf8');
const child = spawnSync('/proc/self/exe', [
  '-e',
  'console.log(require("fs").readFileSync("/proc/self/status", "utf8"))',
]);
process.stdout.write(
  JSON.stringify({
    value: map.get(new Uint8Array(4))?.[0],
    drained: ring.drain(new Uint8Array(4096)).records,
    threads: readdirSync('/proc/self/task').map(status),
    child: child.stdout.toString(),
    outcomes: {
      put: outcome(() => map.put(new Uint8Array(4), new Uint8Array(4096))),
      load: outcome(() => another.load()),
      run: outcome(() => runDescriptor(0, new Uint8Array(8))),
      netns: outcome(() => netnsIdentity(victim)),
      secret: outcome(() => closeSync(openSync('/etc/shadow', 'r'))),
      write: outcome(() => writeFileSync('/etc/hopscope-confined', '')),
      user: outcome(() => process.setuid?.(0)),
      kill: outcome(() => process.kill(1, 0)),
    },
  }),
);
connect({ path: '/nowhere' }).on('error', () => process.exit(0));
