import { spawnSync } from 'node:child_process';
import { pcapSeconds } from './pcap-file.js';

/**
 * Which packets of a pcap file libpcap lets through, by index; null where it refuses
 * the expression.
 *
 * @throws Error when tcpdump itself cannot be run
 */
export function libpcapVerdict(file: Uint8Array, expression: string): number[] | null {
  const { status, stdout, stderr, error } = spawnSync(
    'tcpdump',
    ['-n', '-U', '-r', '-', '-w', '-', expression],
    { input: file, maxBuffer: 64 << 20 },
  );
  if (error !== undefined) throw error;
  // The expression is compiled after the file was opened and before anything is written.
  if (status === 1 && stdout.length === 0 && /^reading from file/.test(stderr.toString()))
    return null;
  if (status !== 0) throw new Error(`tcpdump '${expression}': ${stderr.toString()}`);
  return pcapSeconds(stdout);
}
