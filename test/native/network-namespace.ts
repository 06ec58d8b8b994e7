import { execFileSync } from 'node:child_process';

export interface NetworkNamespace {
  readonly name: string;
  /** What the options named `netns` take. */
  readonly path: string;
  /** Runs a command inside and returns its output. */
  run(command: string, ...args: string[]): string;
  remove(): void;
}

/** A namespace with its loopback device up; remove it afterwards. */
export function createNetworkNamespace(name: string): NetworkNamespace {
  execFileSync('ip', ['netns', 'add', name]);
  const run = (command: string, ...args: string[]): string =>
    execFileSync('ip', ['netns', 'exec', name, command, ...args], { encoding: 'utf8' });
  run('ip', 'link', 'set', 'lo', 'up');
  return {
    name,
    path: `/run/netns/${name}`,
    run,
    remove: () => {
      execFileSync('ip', ['netns', 'del', name]);
    },
  };
}
