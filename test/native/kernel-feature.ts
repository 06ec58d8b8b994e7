import { type Features, probe } from 'ebpf-ts';
import { test } from 'vitest';

/** What this kernel has, found once for a test file. */
export const features: Features = probe();

type Optional = 'netfilterLink' | 'tcx' | 'fentry';

/**
 * `test`, where this kernel has the feature; where not, a skipped test whose name
 * says why. What such a kernel answers instead is tested by itself.
 */
export function testWith(feature: Optional): (name: string, body: () => void) => void {
  const { available, reason } = features[feature];
  return (name, body) => {
    if (available) {
      test(name, body);
    } else {
      test.skip(`${name} (no ${feature} on this kernel: ${reason})`, body);
    }
  };
}
