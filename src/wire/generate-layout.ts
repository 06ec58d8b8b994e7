/**
 * Writes layout.gen.ts from the BTF of the compiled tracer and count-layout.gen.ts from
 * that of the counter, so that a layout is written down once, in bpf/.
 */

/** One member of a C struct as BTF has it: byte offset and size. */
export interface WireMember {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

export interface WireStruct {
  readonly name: string;
  readonly size: number;
  readonly members: readonly WireMember[];
}

export interface WireEnum {
  readonly name: string;
  readonly values: ReadonlyMap<string, number | bigint>;
}

/** Structs and enums that the reader needs, in the order they are written. */
export const WIRE_STRUCTS = [
  'hs_header',
  'hs_trail',
  'hs_hop',
  'hs_snapshot',
  'hs_conntrack',
  'hs_tuple4',
  'hs_tuple6',
  'hs_conntrack4',
  'hs_conntrack6',
  'hs_drop',
  'hs_device',
  'hs_actor',
  'hs_deliver',
  'hs_connect',
];
export const WIRE_ENUMS = [
  'hs_record_type',
  'hs_stage',
  'hs_hop_flag',
  'hs_end',
  'hs_length',
  'hs_counter',
];

/** The same of the counter. */
export const COUNT_STRUCTS = ['hs_count_key', 'hs_count_tuple', 'hs_count'];
export const COUNT_ENUMS = ['hs_count_direction', 'hs_count_ports', 'hs_tally'];

function constantName(...parts: readonly string[]): string {
  return parts.join('_').replace(/^hs_/iu, '').toUpperCase();
}

/** The text of a generated file. */
export function generateLayout(
  structs: readonly WireStruct[],
  enums: readonly WireEnum[],
  of: { readonly program: string; readonly header: string } = {
    program: 'tracer',
    header: 'bpf/wire.h',
  },
): string {
  const lines = [
    `// Generated from the BTF of the ${of.program} by \`npm run generate\`; do not edit.`,
    `// Byte offsets and sizes of the records of ${of.header}.`,
    '',
  ];
  for (const item of enums) {
    for (const [name, value] of item.values) {
      lines.push(`export const ${constantName(name)} = ${value};`);
    }
    lines.push('');
  }
  for (const struct of structs) {
    lines.push(`export const ${`SIZEOF_${constantName(struct.name)}`} = ${struct.size};`);
    for (const member of struct.members) {
      lines.push(`export const ${constantName(struct.name, member.name)} = ${member.offset};`);
    }
    lines.push('');
  }
  return lines.join('\n');
}
