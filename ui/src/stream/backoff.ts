const FIRST_MS = 300;
const LONGEST_MS = 8000;

/**
 * Milliseconds to wait before attempt number `attempt` (from 1). Doubles up to a
 * limit; `random` (0 to 1) takes up to a quarter off, so that many pages do not
 * come back to a restarted daemon in step.
 */
export function backoffMs(attempt: number, random: number): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt - 1, 16));
  return Math.round(full * (1 - random / 4));
}
