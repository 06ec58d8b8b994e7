// @ts-check
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { runChild } from '../../src/setup/child-process.mjs';

/**
 * Where the packed kernel is in a bzImage: Documentation/arch/x86/boot.rst, "The Real-Mode
 * Kernel Header". Numbers are little-endian, sectors are of 512 bytes.
 */
const HEADER = { setupSectors: 0x1f1, magic: 0x202, payloadOffset: 0x248, payloadLength: 0x24c };
const HEADER_MAGIC = 'HdrS';
const SECTOR = 512;
/** Setup sectors when the header says 0, as in boot.rst. */
const USUAL_SETUP_SECTORS = 4;
/** The build puts the size of what is packed after it (scripts/Makefile.lib, size_append). */
const SIZE_LENGTH = 4;

/** How the kernels of Debian are packed, by the first bytes. */
const PACKERS = [
  { first: '28b52ffd', command: 'zstd', args: ['-dc'] },
  { first: 'fd377a58', command: 'xz', args: ['-dc'] },
];
const ELF = '7f454c46';

/**
 * A kernel as an ELF file, which qemu starts by its PVH entry: unpacking it takes a guest
 * three seconds under emulation.
 *
 * @param {string} image bzImage
 * @returns {Promise<string>} the file beside it, or `image` when it cannot be unpacked here
 */
export async function provideUnpacked(image) {
  const unpacked = `${image}.elf`;
  if (existsSync(unpacked)) return unpacked;
  const packed = packedKernel(readFileSync(image));
  const packer = PACKERS.find(({ first }) => packed?.toString('hex', 0, 4) === first);
  if (packed === undefined || packer === undefined) return image;
  const part = `${unpacked}.part`;
  try {
    writeFileSync(`${part}.packed`, packed);
    const words = [packer.command, ...packer.args, `${part}.packed`];
    const { status } = await runChild('sh', ['-c', '"$@" > "$0"', part, ...words]);
    if (status !== 0 || readFileSync(part).toString('hex', 0, 4) !== ELF) return image;
    renameSync(part, unpacked);
    return unpacked;
  } finally {
    for (const left of [part, `${part}.packed`]) rmSync(left, { force: true });
  }
}

/** @param {Buffer} image @returns {Buffer | undefined} nothing when it is no bzImage */
export function packedKernel(image) {
  if (image.length < HEADER.payloadLength + 4) return undefined;
  if (image.toString('latin1', HEADER.magic, HEADER.magic + 4) !== HEADER_MAGIC) return undefined;
  const sectors = image.readUInt8(HEADER.setupSectors) || USUAL_SETUP_SECTORS;
  const start = (sectors + 1) * SECTOR + image.readUInt32LE(HEADER.payloadOffset);
  const end = start + image.readUInt32LE(HEADER.payloadLength);
  return end > image.length ? undefined : image.subarray(start, end - SIZE_LENGTH);
}
