import { UsageError } from '../model/errors.js';
import type { DecodedPacket } from '../packet/decoded-packet.js';
import { ClassicBpf, type ClassicBpfInstruction } from './classic-bpf.js';

/** Where libpcap expects that a packet begins: at its Ethernet header, or at its IP header. */
export type FilterLinkType = 'ethernet' | 'raw';

/**
 * Compiles pcap-filter syntax; throws an Error with `code` `PCAP_SYNTAX` and
 * libpcap's words in its message where it cannot.
 */
export type CompilePacketFilter = (
  expression: string,
  options: { readonly linkType: FilterLinkType },
) => readonly ClassicBpfInstruction[];

/** Characters of an expression; libpcap itself has no limit worth the name. */
export const MAX_FILTER_LENGTH = 4096;

/**
 * A pcap-filter expression (pcap-filter(7)) asked of hops. A hop matches when the
 * frame as it is on the device matches, or when the innermost IP packet in it
 * does: `host 10.244.146.205` finds a pod's packets inside a tunnel, and
 * `udp port 4789` the tunnel itself. A negation holds as soon as either does not
 * match what is negated.
 *
 * Only captured bytes are asked: what an expression reads after them is absent.
 */
export class PacketFilter {
  readonly expression: string;
  /** Null where the expression has no meaning on that link type: nothing there matches. */
  readonly #ethernet: ClassicBpf | null;
  readonly #raw: ClassicBpf | null;

  /**
   * @throws UsageError `FILTER_SYNTAX` with libpcap's words when the expression is
   *   invalid for Ethernet and for bare IP alike; `FILTER_TOO_LONG`
   * @throws ClassicBpfError when the compiler gave a program that cannot be run
   */
  constructor(expression: string, compile: CompilePacketFilter) {
    if (expression.length > MAX_FILTER_LENGTH) {
      throw new UsageError(
        'FILTER_TOO_LONG',
        `filter has ${expression.length} characters, at most ${MAX_FILTER_LENGTH} are taken`,
      );
    }
    this.expression = expression;
    const ethernet = attempt(expression, 'ethernet', compile);
    const raw = attempt(expression, 'raw', compile);
    if (ethernet instanceof Error && raw instanceof Error) {
      throw new UsageError('FILTER_SYNTAX', `filter '${expression}': ${words(ethernet)}`, {
        cause: ethernet,
      });
    }
    this.#ethernet = ethernet instanceof Error ? null : ethernet;
    this.#raw = raw instanceof Error ? null : raw;
  }

  /** What is run on a frame with an Ethernet header, or on a bare IP packet; null: no match. */
  program(linkType: FilterLinkType): readonly ClassicBpfInstruction[] | null {
    return (linkType === 'ethernet' ? this.#ethernet : this.#raw)?.instructions ?? null;
  }

  /**
   * @param view bytes that hold the frame
   * @param offset of its first byte in `view`
   * @param length bytes of it that are there
   * @param linkHeader whether it begins with an Ethernet header, else with an IP header
   * @param frameLength its full length in bytes, link header included
   * @param decoded the same frame, decoded from the same `view`
   */
  matches(
    view: DataView,
    offset: number,
    length: number,
    linkHeader: boolean,
    frameLength: number,
    decoded: DecodedPacket,
  ): boolean {
    const whole = linkHeader ? this.#ethernet : this.#raw;
    if (whole?.run(view, offset, length, frameLength) === true) return true;
    const raw = this.#raw;
    const inner = decoded.innerOffset;
    // On a device without link header the outermost packet was asked already.
    if (raw === null || inner < 0 || (!linkHeader && inner === offset)) return false;
    const skipped = inner - offset;
    return raw.run(view, inner, length - skipped, decoded.ipLength);
  }
}

/** The code of an error that is the expression's fault, as `ebpf-ts` gives it. */
const SYNTAX = 'PCAP_SYNTAX';

function attempt(
  expression: string,
  linkType: FilterLinkType,
  compile: CompilePacketFilter,
): ClassicBpf | Error {
  let instructions: readonly ClassicBpfInstruction[];
  try {
    instructions = compile(expression, { linkType });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === SYNTAX) return error;
    throw error;
  }
  return new ClassicBpf(instructions);
}

/** What libpcap said, without the names of the call and the code in front. */
function words(error: Error): string {
  return error.message.replace(new RegExp(`^(.*: )?${SYNTAX}: `), '');
}
