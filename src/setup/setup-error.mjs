// @ts-check

/**
 * Something that stops the set-up, with the exit status the process ends with:
 * 1 when a step failed, 3 when this machine lacks something and says what.
 */
export class SetupError extends Error {
  /**
   * @param {string} code stable, for scripts
   * @param {string} message
   * @param {{ status?: number, output?: string }} [details]
   */
  constructor(code, message, details = {}) {
    super(message);
    this.name = 'SetupError';
    this.code = code;
    this.status = details.status ?? 1;
    this.output = details.output ?? '';
  }
}
