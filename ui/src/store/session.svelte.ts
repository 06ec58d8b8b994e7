import type { HelloMessage } from 'hopscope-protocol';
import type { ConnectionState } from '../stream/connection.js';

export interface Problem {
  readonly code: string;
  readonly message: string;
}

/** Problems kept for showing; older ones are only counted. */
const PROBLEM_LIMIT = 5;

/** Who we are connected to, and how well. */
export class SessionStore {
  connection = $state.raw<ConnectionState>({ kind: 'connecting', attempt: 1 });
  hello = $state.raw<HelloMessage | null>(null);
  problems = $state.raw<readonly Problem[]>([]);
  problemCount = $state(0);

  report(code: string, message: string): void {
    this.problemCount += 1;
    this.problems = [{ code, message }, ...this.problems].slice(0, PROBLEM_LIMIT);
  }
}
