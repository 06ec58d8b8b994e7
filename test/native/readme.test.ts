import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';

const readme = readFileSync(new URL('../../native/README.md', import.meta.url), 'utf8');

function block(language: string): string {
  const found = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(readme)?.[1];
  if (found === undefined) throw new Error(`the README has no ${language} block`);
  return found;
}

describeAsRoot('the README', () => {
  test('has an example of some 20 lines that prints packets', async () => {
    const program = block('js');
    expect(program.trim().split('\n').length).toBeLessThanOrEqual(22);
    const directory = mkdtempSync(join(tmpdir(), 'ebpf-ts-readme-'));
    try {
      writeFileSync(join(directory, 'lengths.bpf.c'), block('c'));
      writeFileSync(join(directory, 'example.mjs'), program);
      mkdirSync(join(directory, 'node_modules'));
      const native = fileURLToPath(new URL('../../native', import.meta.url));
      symlinkSync(native, join(directory, 'node_modules/ebpf-ts'));
      const command = /`(clang [^`]*)`/.exec(readme)?.[1];
      // Debian keeps asm/types.h under the architecture's name; others do not.
      const triplet = execFileSync('gcc', ['-print-multiarch'], { encoding: 'utf8' }).trim();
      execFileSync('sh', ['-c', `${command} -I/usr/include/${triplet} -D__TARGET_ARCH_x86`], {
        cwd: directory,
      });
      const child = spawn(process.execPath, ['example.mjs'], {
        cwd: directory,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let output = '';
      child.stdout.on('data', (text) => {
        output += String(text);
      });
      const exit = new Promise((resolve) => child.once('exit', resolve));
      const ping = spawn('ping', ['-c', '8', '-i', '0.2', '-s', '1234', '127.0.0.1'], {
        stdio: 'ignore',
      });
      expect(await exit).toBe(0);
      ping.kill();
      // 1234 bytes of data, 8 of ICMP and 20 of IPv4.
      expect(output.split('\n')).toContain('1262 bytes');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('names the codes and methods that there are', () => {
    const sources = [
      'error',
      'object',
      'program',
      'map',
      'ring-buffer',
      'btf',
      'link',
      'probe',
    ].map((name) => readFileSync(new URL(`../../native/src/${name}.ts`, import.meta.url), 'utf8'));
    const all = sources.join('\n');
    for (const code of readme.matchAll(/`((?:BPF|PCAP)_[A-Z_]+)`/g)) {
      if (code[1] !== 'BPF_RB_NO_WAKEUP') expect(all).toContain(code[1]);
    }
    for (const method of readme.matchAll(/`((?:attach|set)[A-Z]\w+)`/g)) {
      expect(all).toContain(`${method[1]}(`);
    }
  });
});
