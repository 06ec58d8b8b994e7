/** A pod of a container runtime; of a runtime without pods, a container with a network of its own. */
export interface Sandbox {
  readonly id: string;
  readonly name: string;
  /** Of Kubernetes; null where there is none. */
  readonly namespace: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** Wall clock, milliseconds. */
  readonly createdMs: number;
  readonly isReady: boolean;
}

export interface SandboxNetwork {
  readonly ips: readonly string[];
  /** Whether it is another's: its node's, or another container's. */
  readonly isShared: boolean;
  /** Since when it runs, wall clock, milliseconds; null where that is when it was created. */
  readonly startedMs: number | null;
  /** Where its network namespace is to be found, the surest first. */
  readonly paths: readonly string[];
}

/** A runtime that can be asked. Errors: what went wrong, in words. */
export interface ContainerRuntime {
  sandboxes(): Promise<Sandbox[]>;
  network(id: string): Promise<SandboxNetwork>;
  close(): void;
}
