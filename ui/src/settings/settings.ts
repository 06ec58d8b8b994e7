const PREFIX = 'hopscope.';

/** What the browser remembers of how the page was set up; null where it does not, or may not. */
export function readSetting(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function writeSetting(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Without storage the page works, and remembers nothing.
  }
}
