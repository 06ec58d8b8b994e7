/** What of rules was not read, not kept or not followed to its end, all in all. */
export class RuleCounters {
  /** News left out, since too many waited. */
  newsSkipped = 0;
  /** Namespaces whose rules were removed to make room. */
  namespacesEvicted = 0;
  /** Rules past the limit of their namespace. */
  leftOut = 0;
  /** Hooks that were not followed to their end. */
  cut = 0;
  /** Hooks of which no way agrees with what was seen. */
  unexplained = 0;
  /** Hooks passed while the rules changed. */
  changed = 0;
  /** Answers that were kept and removed to make room: they are found again. */
  answersForgotten = 0;
  /** Paths that went on before their rules were known. */
  pathsHurried = 0;
  /** Problems of reading and understanding, by code. */
  readonly problems = new Map<string, number>();

  /** By cause, in the words of a metric's label. */
  losses(): Readonly<Record<string, number>> {
    return {
      'rules-news-skipped': this.newsSkipped,
      'rules-namespaces-evicted': this.namespacesEvicted,
      'rules-left-out': this.leftOut,
      'rules-cut': this.cut,
      'rules-unexplained': this.unexplained,
      'rules-changed': this.changed,
      'rules-answers-forgotten': this.answersForgotten,
      'rules-paths-hurried': this.pathsHurried,
      ...Object.fromEntries(
        [...this.problems].map(([code, count]) => [causeOf(code), count] as const),
      ),
    };
  }
}

/** `RULES_NOT_READ` becomes `rules-not-read`. */
function causeOf(code: string): string {
  return code.toLowerCase().replaceAll('_', '-');
}
