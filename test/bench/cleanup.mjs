// @ts-check

/** Exit status of a program that a signal ended, as a shell has it. */
const STATUS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/**
 * What has to be undone, the last first. It is undone at a signal too: therefore by
 * functions that return when they are done and wait for nothing.
 *
 * @type {Set<() => void>}
 */
const undoing = new Set();
let watching = false;

/**
 * Remember how to undo what is about to be done.
 *
 * @param {() => void} undo does nothing when there is nothing to undo
 * @returns {() => void} undoes it now, once
 */
export function onEnd(undo) {
  watchSignals();
  const once = () => {
    if (undoing.delete(once)) undo();
  };
  undoing.add(once);
  return once;
}

/** Everything that is left, the newest first; a failure does not spare the others. */
export function undoAll() {
  for (const undo of [...undoing].reverse()) {
    try {
      undo();
    } catch (error) {
      process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`);
    }
  }
}

/** A terminal sends its signal to everybody, and whoever waits for us forwards it: twice. */
function watchSignals() {
  if (watching) return;
  watching = true;
  let ending = false;
  for (const [signal, status] of Object.entries(STATUS)) {
    process.on(signal, () => {
      if (ending) return;
      ending = true;
      process.stderr.write(`bench: ${signal}, cleaning up\n`);
      undoAll();
      process.exit(status);
    });
  }
}
