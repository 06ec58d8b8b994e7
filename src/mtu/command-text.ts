import type { NamespaceDescription } from '../network/description.js';

const PLAIN = /^[\w.@:+/=-]+$/u;

/** What entering a namespace takes. */
export interface Enterable {
  readonly description: Pick<NamespaceDescription, 'given' | 'isOwn' | 'path'>;
}

/** A command line that does it in the namespace, for a POSIX shell. */
export function commandIn(namespace: Enterable, ...words: readonly string[]): string {
  return [...entering(namespace), ...words.map(quote)].join(' ');
}

function entering({ description }: Enterable): string[] {
  const { given, isOwn, path } = description;
  if (given === null) return isOwn ? [] : ['nsenter', quote(`--net=${path}`)];
  return ['ip', 'netns', 'exec', quote(given)];
}

/** `ip` takes the name of a namespace itself. */
export function ipCommand(namespace: Enterable, ...words: readonly string[]): string {
  const { given } = namespace.description;
  if (given === null) return commandIn(namespace, 'ip', ...words);
  return ['ip', '-n', given, ...words].map(quote).join(' ');
}

export function setMtu(namespace: Enterable, device: string, mtu: number): string {
  return ipCommand(namespace, 'link', 'set', 'dev', device, 'mtu', `${mtu}`);
}

/** Commands of which each is run when the one before it succeeded. */
export function inTurn(...commands: readonly string[]): string {
  return commands.join(' && ');
}

function quote(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
