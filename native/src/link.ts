/** Attachments. */
import { addon, type NativeLink } from './addon.js';
import { checkInteger } from './argument.js';
import { closedError } from './error.js';

/** What the kernel reports of a link. */
export interface LinkInfo {
  /** The kernel's number for the link; 0 where the attachment is not a link. */
  readonly id: number;
  /** enum bpf_link_type of include/uapi/linux/bpf.h. */
  readonly type: number;
  readonly programId: number;
  /** Of a netfilter link: NFPROTO_*, enum nf_inet_hooks, priority, BPF_F_NETFILTER_*. */
  readonly netfilter: {
    readonly family: number;
    readonly hook: number;
    readonly priority: number;
    readonly flags: number;
  } | null;
  /** Of a tcx link; `ifindex` is 0 once the device is gone. */
  readonly tcx: { readonly ifindex: number; readonly attachType: number } | null;
}

/**
 * One attachment of a program. It lasts until `close()`, until the Link is
 * garbage collected or until the process or Worker ends: keep a reference. It
 * outlives the BpfObject, whose program the kernel keeps for it.
 */
export class Link {
  /**
   * How it was made: `tracepoint`, `raw_tracepoint`, `btf`, `netfilter`, `tcx`, `packet`
   * or `stats`; an adopted one that is neither `netfilter` nor `tcx` is `other`.
   */
  readonly kind: string;
  #handle: NativeLink | null;
  #closing: Promise<void> | null = null;

  /** @internal */
  constructor(kind: string, handle: NativeLink) {
    this.kind = kind;
    this.#handle = handle;
  }

  get closed(): boolean {
    return this.#handle === null;
  }

  /** Throws BpfError with the errno when the kernel has no account of this link. */
  info(): LinkInfo {
    if (this.#handle === null) throw closedError('info', 'link');
    return addon.linkInfo(this.#handle);
  }

  /**
   * The same on another thread: of a tcx link the kernel says nothing while it attaches or
   * detaches one anywhere on the machine, or does anything else under its rtnl lock.
   */
  async infoAsync(): Promise<LinkInfo> {
    if (this.#handle === null) throw closedError('info', 'link');
    return addon.linkInfoAsync(this.#handle);
  }

  /** Its descriptor, for `sendDescriptors`: it stays the link's. */
  descriptor(): number {
    return addon.linkDescriptor(this.nativeHandle('descriptor'));
  }

  /** @internal the native handle of an open link. */
  nativeHandle(operation: string): NativeLink {
    if (this.#handle === null) throw closedError(operation, 'link');
    return this.#handle;
  }

  /** Detaches the program; it no longer runs when this returns. Idempotent. */
  close(): void {
    if (this.#handle === null) return;
    addon.close(this.#handle);
    this.#handle = null;
  }

  /**
   * Detaches on another thread; resolved when the program no longer runs. The kernel takes
   * its time over `tcx` and `packet`: a grace period, some 25 ms, and one tcx link of the
   * machine at a time. The link is closed for everybody from now on. Called again it
   * resolves with the first call; after `close()` at once.
   */
  closeAsync(): Promise<void> {
    return this.#closeAsync(false);
  }

  /**
   * The same, also where others have a descriptor of the link, for whom it is attached to nothing
   * from then on (BPF_LINK_DETACH, Linux 5.9). Not every kind can be detached so: of those that
   * cannot, this descriptor is closed.
   */
  detachForAll(): Promise<void> {
    return this.#closeAsync(true);
  }

  #closeAsync(detach: boolean): Promise<void> {
    if (this.#handle !== null) {
      this.#closing = addon.linkCloseAsync(this.#handle, detach);
      this.#handle = null;
    }
    return this.#closing ?? Promise.resolve();
  }

  /** The same as `close()`. */
  detach(): void {
    this.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const KINDS: Readonly<Record<number, string>> = { 10: 'netfilter', 11: 'tcx' };

/**
 * A link that another process has handed over; it has a descriptor of its own from then on. The
 * program stays attached until the last descriptor of the link is closed.
 *
 * @throws BpfError `BPF_BAD_ARGUMENT`; `EBADF`, `EINVAL` when it is no link
 */
export function adoptLink(descriptor: number): Link {
  const [handle, type] = addon.linkAdopt(
    checkInteger('adoptLink', 'descriptor', descriptor, 0, 2 ** 31 - 1),
  );
  return new Link(KINDS[type] ?? 'other', handle);
}

/**
 * Makes the kernel count the runs and the time of every program until the Link is
 * closed (BPF_ENABLE_STATS, Linux 5.8). It costs about 20 ns for each run.
 */
export function enableStats(): Link {
  return new Link('stats', addon.enableStats());
}
