/** What the collector's end of the channel did not send, since the daemon started. */
export class ChannelCounters {
  /** Ticks without rows because the server process had not taken what was sent before. */
  ticksSkipped = 0;
  /** Questions left out because their deadline had passed. */
  questionsLate = 0;
  /** Catalogs too large to send. */
  catalogsRefused = 0;
  /** Times the server process was started again. */
  restarts = 0;
}
