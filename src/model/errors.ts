/**
 * Base of every error hopscope raises on purpose. `code` is stable: scripts and
 * tests depend on it, the message may be bettered at any time.
 */
export class HopscopeError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Bad options or arguments; the process exits with status 2. */
export class UsageError extends HopscopeError {}

/** The kernel, the privileges or a missing tool forbid it; exit status 3, with the remedy. */
export class UnsupportedError extends HopscopeError {
  readonly remedy: string;

  constructor(code: string, message: string, remedy: string, options?: ErrorOptions) {
    super(code, message, options);
    this.remedy = remedy;
  }
}
