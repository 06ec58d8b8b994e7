// Loads and attaches in Workers that are terminated, or end, without closing.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { BpfObject, RingBuffer } from 'ebpf-ts';
import { bpfDescriptors, objectPath, ringMappings, until } from './counting.mjs';

if (isMainThread || parentPort === null) {
  const rounds = [];
  for (const ending of ['terminate', 'busy', 'end', 'throw']) {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { path: objectPath(), ending },
    });
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    worker.on('error', () => {});
    const held = await new Promise((resolve) => worker.once('message', resolve));
    if (ending === 'busy') await new Promise((resolve) => setTimeout(resolve, 50));
    if (ending === 'terminate' || ending === 'busy') await worker.terminate();
    else worker.postMessage('go');
    await ended;
    await until(() => bpfDescriptors() === 0 && ringMappings() === 0, 5000);
    rounds.push({ ending, held, left: bpfDescriptors(), mappings: ringMappings() });
  }
  // The main thread has its own environment and may do the same afterwards.
  const object = BpfObject.open(objectPath());
  object.load();
  object.program('on_raw').attachRawTracepoint('sys_enter').close();
  object.close();
  console.log(JSON.stringify({ rounds, left: bpfDescriptors() }));
} else {
  const { path, ending } = workerData;
  const object = BpfObject.open(path);
  object.load();
  const link = object.program('on_receive').attachBtf();
  const ring = new RingBuffer(object.map('ring'));
  const port = parentPort;
  port.postMessage(bpfDescriptors());
  if (ending === 'busy') {
    // Terminated in the midst of native calls, some of which throw.
    for (;;) {
      ring.drain(new Uint8Array(64));
      link.info();
      try {
        object.map('table').put(new Uint8Array(4), new Uint8Array(8), 4);
      } catch {
        // EINVAL, over and over.
      }
    }
  }
  port.once('message', () => {
    port.close();
    if (ending === 'throw') throw new Error('thrown with a link attached');
  });
}
