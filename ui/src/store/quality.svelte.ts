import type { QualityMessage, QualityRecord } from 'hopscope-protocol';

/** Points of the small events-per-second curve. */
const TREND_LIMIT = 60;

export class QualityStore {
  current = $state.raw<QualityRecord | null>(null);
  clients = $state(0);
  trend = $state.raw<readonly number[]>([]);

  apply(message: QualityMessage): void {
    this.current = message.quality;
    this.clients = message.clients;
    this.trend = [...this.trend, message.quality.eventsPerSecond].slice(-TREND_LIMIT);
  }
}
