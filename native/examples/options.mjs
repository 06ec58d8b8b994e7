// `--seconds N` and `--device NAME` of the examples.
import { readFileSync } from 'node:fs';
import { argv } from 'node:process';

function option(name, fallback) {
  const at = argv.indexOf(`--${name}`);
  return at < 0 ? fallback : argv[at + 1];
}

export const milliseconds = Number(option('seconds', '5')) * 1000;

/** Number of the network device. */
export function ifindex() {
  const device = option('device', 'lo');
  return Number(readFileSync(`/sys/class/net/${device}/ifindex`, 'utf8'));
}
