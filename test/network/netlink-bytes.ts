/** Messages of netlink as the kernel lays them out, for tests. */

/** An attribute: length, type, value, padding to 4 bytes. */
export function attribute(type: number, ...value: readonly number[]): number[] {
  const length = value.length + 4;
  const padding = Array<number>((4 - (length % 4)) % 4).fill(0);
  return [...u16(length), ...u16(type), ...value, ...padding];
}

/** A message: length, type, flags, sequence, port, body. */
export function message(type: number, ...body: readonly number[]): Uint8Array {
  return Uint8Array.from([
    ...u32(body.length + 16),
    ...u16(type),
    ...u16(0),
    ...u32(1),
    ...u32(0),
    ...body,
  ]);
}

export function u16(value: number): number[] {
  return [value & 0xff, value >> 8];
}

export function u32(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}

export function ascii(text: string): number[] {
  return [...Buffer.from(`${text}\0`)];
}
