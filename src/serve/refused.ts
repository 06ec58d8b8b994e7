/** A request that cannot be answered. */
export class Refused extends Error {
  /** Of HTTP. */
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}
