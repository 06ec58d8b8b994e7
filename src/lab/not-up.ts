import { HopscopeError } from '../model/errors.js';

/** What was asked for needs a lab that is up. */
export class LabNotUpError extends HopscopeError {
  constructor() {
    super('LAB_NOT_UP', 'no lab is up on this machine: run hopscope lab up');
  }
}
