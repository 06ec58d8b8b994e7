import { HopscopeError } from '../model/errors.js';

/** The server could not start; `code` is `address-in-use`, `address-not-available`, … */
export class ServeError extends HopscopeError {}
