// Ends Workers, by terminate() and by exit(), while other threads work for them.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { BpfObject } from 'ebpf-ts';
import { bpfDescriptors, objectPath, until } from './counting.mjs';

if (isMainThread || parentPort === null) {
  const rounds = [];
  for (const ending of ['terminate', 'exit']) {
    for (const work of ['load', 'attach', 'close']) {
      const worker = new Worker(new URL(import.meta.url), {
        workerData: { path: objectPath(), netns: process.argv[3], work, ending },
      });
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      await new Promise((resolve) => worker.once('message', resolve));
      if (ending === 'terminate') await worker.terminate();
      await ended;
      await until(() => bpfDescriptors() === 0, 5000);
      rounds.push({ work, left: bpfDescriptors() });
    }
  }
  console.log(JSON.stringify(rounds));
} else {
  const { path, netns, work, ending } = workerData;
  const object = BpfObject.open(path);
  const places = /** @type {const} */ (['ingress', 'egress']).map((direction) => ({
    ifindex: 1,
    direction,
    netns,
  }));
  if (work === 'load') {
    void object.loadAsync();
  } else {
    object.load();
    const program = object.program('on_tcx');
    if (work === 'attach') {
      for (const place of places) void program.attachTcxAsync(place);
    } else {
      const links = places.map((place) => program.attachTcx(place));
      for (const link of links) void link.closeAsync();
    }
  }
  parentPort.postMessage('working');
  if (ending === 'exit') process.exit(0);
}
