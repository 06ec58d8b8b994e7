import * as v from 'valibot';
import { directionSchema, hookSchema, stageSchema } from './enumerations.js';
import { type Infer, list, number, string } from './scalars.js';

/** Legs that one history names at most. */
export const HISTORY_LEG_LIMIT = 256;
/** Points of one of its two parts at most. */
export const HISTORY_POINT_LIMIT = 361;

/** A place that a flow's packets passed. */
export const historyLegSchema = v.object({
  direction: directionSchema,
  node: v.nullable(string),
  netns: string,
  dev: v.nullable(string),
  stage: stageSchema,
  hook: v.nullable(hookSchema),
});
export type HistoryLegRecord = Infer<typeof historyLegSchema>;

/** What a flow did in one step of time; original and reply where there are two. */
export const historyPointSchema = v.object({
  /** Begin of the step, wall-clock seconds since the epoch. */
  at: number,
  packets: v.tuple([number, number]),
  bytes: v.tuple([number, number]),
  drops: number,
  /** Nanoseconds since the leg before, by the number of the leg; null where nothing was measured. */
  p50: list(v.nullable(number), HISTORY_LEG_LIMIT),
  p99: list(v.nullable(number), HISTORY_LEG_LIMIT),
});
export type HistoryPointRecord = Infer<typeof historyPointSchema>;

export const flowHistorySchema = v.object({
  legs: list(historyLegSchema, HISTORY_LEG_LIMIT),
  /** Steps of `fineSeconds` for the last quarter of an hour, oldest first, with the one under way. */
  fineSeconds: number,
  fine: list(historyPointSchema, HISTORY_POINT_LIMIT),
  /** Steps of `coarseSeconds` for the last six hours. */
  coarseSeconds: number,
  coarse: list(historyPointSchema, HISTORY_POINT_LIMIT),
});
export type FlowHistoryRecord = Infer<typeof flowHistorySchema>;
