// @ts-check

/**
 * Of text that comes in fragments, whole lines: what several guests print at once stays readable.
 *
 * @param {(line: string) => void} onLine
 * @returns {{ add: (text: string) => void, end: () => void }}
 */
export function byLine(onLine) {
  let held = '';
  return {
    add: (text) => {
      const lines = (held + text).split('\n');
      held = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    },
    end: () => {
      if (held !== '') onLine(held);
      held = '';
    },
  };
}
