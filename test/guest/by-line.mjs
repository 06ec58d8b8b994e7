// @ts-check

/**
 * Of text that comes in fragments, whole lines: what several guests say at once stays readable.
 *
 * @param {(line: string) => void} tell
 * @returns {{ take: (text: string) => void, end: () => void }}
 */
export function byLine(tell) {
  let held = '';
  return {
    take: (text) => {
      const lines = (held + text).split('\n');
      held = lines.pop() ?? '';
      for (const line of lines) tell(line);
    },
    end: () => {
      if (held !== '') tell(held);
      held = '';
    },
  };
}
