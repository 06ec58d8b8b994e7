/** The body of a function in a compiled object, replaced before the object is opened. */
import { HopscopeError } from '../model/errors.js';

/** An object that cannot be changed so; the message says why. */
export class ObjectFunctionError extends HopscopeError {}

const INSTRUCTION = 8;
/** struct elf64_shdr, struct elf64_sym (include/uapi/linux/elf.h): where their fields are. */
const HEADER = { sections: 0x28, sectionSize: 0x3a, sectionCount: 0x3c } as const;
const SECTION = { type: 0x04, offset: 0x18, size: 0x20, link: 0x28 } as const;
const SYMBOL = { name: 0, info: 4, section: 6, value: 8, size: 16, bytes: 24 } as const;
const TYPE_SYMTAB = 2;
const SYMBOL_FUNCTION = 2;

/** A program that lets what is not used of the room be: a jump that is always taken. */
const SET_ZERO = Uint8Array.of(0xb7, 0, 0, 0, 0, 0, 0, 0);
const GOTO_NEXT = Uint8Array.of(0x05, 0, 0, 0, 0, 0, 0, 0);
const IF_ZERO = 0x15;
const PROLOGUE = 2 * INSTRUCTION;

/**
 * Writes instructions over a function's own, in place: all that its object's BTF and
 * relocations say of places stays true. What room is left is jumped over.
 *
 * @param object bytes of a little-endian ELF object of 64 bits; changed
 * @throws ObjectFunctionError `OBJECT_FORMAT`, `OBJECT_NO_FUNCTION`, `OBJECT_NO_ROOM`
 */
export function replaceFunction(object: Uint8Array, name: string, body: Uint8Array): void {
  const { at, size } = functionIn(object, name);
  const left = size - body.length - PROLOGUE;
  if (left < 0) {
    throw new ObjectFunctionError(
      'OBJECT_NO_ROOM',
      `${name} has ${size} bytes, ${body.length + PROLOGUE} are needed`,
    );
  }
  const view = new DataView(object.buffer, object.byteOffset + at, size);
  object.set(SET_ZERO, at);
  view.setUint8(INSTRUCTION, IF_ZERO);
  view.setUint8(INSTRUCTION + 1, 0);
  view.setInt16(INSTRUCTION + 2, left / INSTRUCTION, true);
  view.setInt32(INSTRUCTION + 4, 0, true);
  for (let i = 0; i < left; i += INSTRUCTION) object.set(GOTO_NEXT, at + PROLOGUE + i);
  object.set(body, at + PROLOGUE + left);
}

function functionIn(object: Uint8Array, wanted: string): { at: number; size: number } {
  const view = new DataView(object.buffer, object.byteOffset, object.byteLength);
  // 0x7f ELF, 64 bits, little-endian
  if (object.length < 64 || view.getUint32(0) !== 0x7f454c46 || view.getUint16(4) !== 0x0201) {
    throw new ObjectFunctionError('OBJECT_FORMAT', 'not a little-endian ELF object of 64 bits');
  }
  const sections = Number(view.getBigUint64(HEADER.sections, true));
  const sectionSize = view.getUint16(HEADER.sectionSize, true);
  const section = (index: number): number => sections + index * sectionSize;
  const offsetOf = (index: number): number =>
    Number(view.getBigUint64(section(index) + SECTION.offset, true));
  for (let index = 0; index < view.getUint16(HEADER.sectionCount, true); index++) {
    if (view.getUint32(section(index) + SECTION.type, true) !== TYPE_SYMTAB) continue;
    const names = offsetOf(view.getUint32(section(index) + SECTION.link, true));
    const begin = offsetOf(index);
    const end = begin + Number(view.getBigUint64(section(index) + SECTION.size, true));
    for (let at = begin; at < end; at += SYMBOL.bytes) {
      if ((view.getUint8(at + SYMBOL.info) & 0xf) !== SYMBOL_FUNCTION) continue;
      if (textAt(object, names + view.getUint32(at + SYMBOL.name, true)) !== wanted) continue;
      const holder = offsetOf(view.getUint16(at + SYMBOL.section, true));
      return {
        at: holder + Number(view.getBigUint64(at + SYMBOL.value, true)),
        size: Number(view.getBigUint64(at + SYMBOL.size, true)),
      };
    }
  }
  throw new ObjectFunctionError('OBJECT_NO_FUNCTION', `no function ${wanted}`);
}

function textAt(bytes: Uint8Array, at: number): string {
  const end = bytes.indexOf(0, at);
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString('latin1');
}
