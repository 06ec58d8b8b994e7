/** What `hopscope doctor --json` prints, and what the daemon takes its `missing` list from. */

/** `unknown`: these privileges do not allow to find out. */
export type FindingState = 'available' | 'absent' | 'unknown';

/**
 * `required`: nothing can be traced without it. `wanted`: records lack something
 * without it. `optional`: only a mode of the lab, or a comfort, needs it.
 */
export type FindingNeed = 'required' | 'wanted' | 'optional';

export type FindingArea = 'privileges' | 'kernel' | 'devices' | 'tools' | 'names';

export interface Finding {
  /** Stable, for scripts. */
  readonly id: string;
  readonly area: FindingArea;
  readonly title: string;
  readonly need: FindingNeed;
  readonly state: FindingState;
  /** What was seen, in the kernel's or the tool's own words where there are any. */
  readonly detail: string | null;
  /** What does not work without it; `null` unless it is absent. */
  readonly consequence: string | null;
  /** What to do about it; `null` unless it is absent and something can be done. */
  readonly remedy: string | null;
}

export interface Diagnosis {
  readonly type: 'doctor';
  /** Whether packets can be traced on this machine by this process. */
  readonly canTrace: boolean;
  readonly kernel: string;
  readonly machine: string;
  readonly node: string;
  readonly libbpf: string | null;
  readonly findings: readonly Finding[];
  /** One sentence for each required or wanted thing that is not there. */
  readonly missing: readonly string[];
}

/** What a check knows before it looks. */
export interface FindingSubject {
  readonly id: string;
  readonly area: FindingArea;
  readonly title: string;
  readonly need: FindingNeed;
  readonly consequence: string;
  readonly remedy: string | null;
}

export interface Observation {
  readonly state: FindingState;
  readonly detail: string | null;
  /** What helps against this cause, where the subject's remedy does not. */
  readonly remedy?: string;
}

export function available(detail: string | null = null): Observation {
  return { state: 'available', detail };
}

export function absent(detail: string | null = null, remedy?: string): Observation {
  return { state: 'absent', detail, ...(remedy === undefined ? {} : { remedy }) };
}

export function unknown(detail: string | null = null): Observation {
  return { state: 'unknown', detail };
}

export function finding(subject: FindingSubject, observation: Observation): Finding {
  const isAbsent = observation.state === 'absent';
  return {
    id: subject.id,
    area: subject.area,
    title: subject.title,
    need: subject.need,
    state: observation.state,
    detail: observation.detail,
    consequence: isAbsent ? subject.consequence : null,
    remedy: isAbsent ? (observation.remedy ?? subject.remedy) : null,
  };
}

/** The sentence the daemon shows for something that is not there. */
export function missingSentence(each: Finding): string {
  return `${each.title}: ${each.consequence ?? ''}`;
}
