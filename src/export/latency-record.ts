import type { LatencyRecord } from 'hopscope-protocol';
import type { Histogram } from '../flow/histogram.js';

/** @param withOctaves whether to say how the values are spread */
export function latencyRecord(histogram: Histogram, withOctaves = false): LatencyRecord {
  const octaves = withOctaves ? histogram.octaves() : null;
  return {
    count: String(histogram.count),
    p50: histogram.quantile(0.5),
    p90: histogram.quantile(0.9),
    p99: histogram.quantile(0.99),
    max: histogram.max,
    ...(octaves === null ? {} : { octaves }),
  };
}
