import { HopscopeError, UnsupportedError, UsageError } from '../model/errors.js';
import type { FailedMessage } from './messages.js';

/** Why the observer could not begin: it knows the cause, and has looked for the remedy. */
export class ObserverUnsupportedError extends UnsupportedError {}

/** The two processes do not understand each other, or one of them is gone. */
export class ObserverError extends HopscopeError {}

/** What crosses of an error. */
export function failedMessage(error: unknown): FailedMessage {
  const remedy = error instanceof UnsupportedError ? error.remedy : null;
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { readonly code?: unknown } | null)?.code;
  return {
    type: 'failed',
    code: typeof code === 'string' ? code : 'OBSERVER_FAILED',
    message,
    isUsage: error instanceof UsageError,
    remedy,
  };
}

export function errorOf({ code, message, isUsage, remedy }: FailedMessage): HopscopeError {
  if (isUsage) return new UsageError(code, message);
  return remedy === null
    ? new ObserverError(code, message)
    : new ObserverUnsupportedError(code, message, remedy);
}
