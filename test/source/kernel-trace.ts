import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';

/** For the rest of a packet's way. */
const REST_MS = 300;

/**
 * What a monitor of the kernel's own tracing writes. It says nothing when it listens: packets are
 * sent until one is traced.
 *
 * @param command run in the namespace
 * @param traced of the first line that is wanted
 */
export async function traceOf(
  netns: string,
  command: readonly string[],
  send: () => Promise<unknown>,
  traced: RegExp,
): Promise<string> {
  const monitor = spawn('ip', ['netns', 'exec', netns, ...command], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    let said = '';
    monitor.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const sent = async (): Promise<string> => {
      await send();
      return said;
    };
    await expect.poll(sent, { timeout: 20_000, interval: 200 }).toMatch(traced);
    await delay(REST_MS);
    return said;
  } finally {
    monitor.kill();
  }
}
