/** What the server refused or could not send, since it started. */
export class ServeCounters {
  /** Ticks a client did not get because it had not read what was sent before. */
  skipped = 0;
  /** WebSocket clients turned away because CLIENT_LIMIT was reached. */
  clientsRefused = 0;
  /** Clients cut off because they were silent. */
  clientsSilent = 0;
  /** Times that nothing was read of a client since it sent too much. */
  clientsHeldBack = 0;
  /** Messages that clients got a tick later since others took the time of one. */
  ticksDelayed = 0;
  /** Connections that accept(2) refused. */
  connectionsFailed = 0;
  /** Idle connections closed for new ones, and new ones that found no idle one. */
  connectionsIdle = 0;
  connectionsRefused = 0;
  /** Connections ended for requests sent before others were answered, and for not reading answers. */
  connectionsPipelined = 0;
  connectionsUnread = 0;
  /** Pages of flows that ended before their limit, and such that nobody read on. */
  pagesCut = 0;
  pagesUnread = 0;
  /** Rows that had to wait for a later tick. */
  rowsDelayed = 0;
  readonly refusedRequests = new Map<string, number>();
  readonly badMessages = new Map<string, number>();

  refuseRequest(code: string): void {
    this.refusedRequests.set(code, (this.refusedRequests.get(code) ?? 0) + 1);
  }

  badMessage(code: string): void {
    this.badMessages.set(code, (this.badMessages.get(code) ?? 0) + 1);
  }
}
