import type { PacketFilter } from '../filter/packet-filter.js';
import type { Sampling } from '../model/sampling.js';
import type { NameProvider } from '../provide/name-provider.js';
import type { DescriptorStore } from './descriptor-store.js';
import type { Plan } from './governor.js';
import type { RemoteReader } from './remote-reader.js';
import type { TracerOptions } from './tracer-object.js';

export interface KernelSourceOptions
  extends Pick<TracerOptions, 'objectFile' | 'hooks' | 'ringBytes'> {
  /** Names of the namespaces to observe; null for all. */
  readonly netns?: readonly string[] | null;
  /** What leaves packets out in the kernel, all that user space would not show; none when absent. */
  readonly filter?: PacketFilter | null;
  /** Whether every flow is counted in the kernel, whatever is traced. */
  readonly count?: boolean;
  /** Whether the rules of namespaces are read, and read again when they change. */
  readonly rules?: boolean;
  /** Who is asked for names besides the rules of the namespaces. */
  readonly names?: readonly NameProvider[];
  /** Which packets are traced; all when absent. */
  readonly sampling?: Sampling;
  /** Called when tracing everything begins to cost more than the budget, and when it fits again. */
  readonly onMode?: (mode: Plan['mode']) => void;
  /** Called with what goes wrong while it runs, without stopping it. */
  readonly onWarning?: (message: string) => void;
  /** Reads and names in the place of this process, which then sees no record; absent: nobody. */
  readonly reader?: RemoteReader;
  /** Keeps the counter for the process after this one, and has that of the one before; absent: nobody. */
  readonly store?: DescriptorStore | null;
  /** CLOCK_MONOTONIC, ns, that counts are timed from; now when absent. */
  readonly epochNs?: bigint;
}
