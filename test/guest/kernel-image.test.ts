import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packedKernel, provideUnpacked } from './kernel-image.mjs';

const KERNEL = Buffer.concat([Buffer.from('7f454c46', 'hex'), Buffer.alloc(9000, 'kernel')]);

/** One setup sector beside the boot sector, then 16 bytes of code, what is packed, its size. */
function bzImage(packed: Buffer): Buffer {
  const head = Buffer.alloc(2 * 512 + 16);
  head.writeUInt8(1, 0x1f1);
  head.write('HdrS', 0x202, 'latin1');
  head.writeUInt32LE(16, 0x248);
  head.writeUInt32LE(packed.length + 4, 0x24c);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(KERNEL.length);
  return Buffer.concat([head, packed, size, Buffer.from('what follows')]);
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hopscope-kernel-image-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a kernel is unpacked', () => {
  test.each(['zstd', 'xz'])('from %s, once', async (packer) => {
    const packed = execFileSync(packer, ['-c'], { input: KERNEL });
    const image = join(folder, packer);
    writeFileSync(image, bzImage(packed));
    expect(await provideUnpacked(image)).toBe(`${image}.elf`);
    expect(readFileSync(`${image}.elf`)).toEqual(KERNEL);
    writeFileSync(`${image}.elf`, 'kept');
    expect(await provideUnpacked(image)).toBe(`${image}.elf`);
    expect(readFileSync(`${image}.elf`, 'utf8')).toBe('kept');
  });

  test.each([
    ['packed in a way unknown', bzImage(Buffer.from('LZ4 or so'))],
    ['with what is packed cut off', bzImage(Buffer.alloc(0)).subarray(0, 0x300)],
    ['that is broken', bzImage(Buffer.from('28b52ffd00112233', 'hex'))],
    ['that is none', Buffer.from('text')],
  ])('and one %s is started as it is', async (name, bytes) => {
    const image = join(folder, name);
    writeFileSync(image, bytes);
    expect(await provideUnpacked(image)).toBe(image);
    expect(readdirSync(folder).filter((file) => file.startsWith(name))).toEqual([name]);
  });
});

test('what is packed is found by the header', () => {
  expect(packedKernel(bzImage(Buffer.from('packed')))?.toString()).toBe('packed');
  const long = bzImage(Buffer.from('packed'));
  long.writeUInt32LE(long.length, 0x24c);
  expect(packedKernel(long)).toBeUndefined();
});
