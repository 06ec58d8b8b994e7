import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';

/** Descriptors of this process, by what they point to. */
export function openDescriptors(): string[] {
  const targets: string[] = [];
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      targets.push(readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The descriptor of the listing itself is gone by now.
    }
  }
  return targets;
}

/** How many of them are programs, maps, links or BTF. */
export function bpfDescriptors(): number {
  return openDescriptors().filter((target) => /bpf|btf/.test(target)).length;
}

export function programExists(id: number): boolean {
  try {
    execFileSync('bpftool', ['prog', 'show', 'id', String(id)], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Waits until the kernel has freed the program, which it does a little after the last close. */
export async function programGone(id: number, timeoutMs = 10_000): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  while (programExists(id)) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return true;
}
