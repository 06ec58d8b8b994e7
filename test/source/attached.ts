import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Programs, links and maps of the kernel that one process holds, by their ids. */
export interface Held {
  readonly maps: ReadonlySet<number>;
  readonly programs: ReadonlySet<number>;
  readonly links: ReadonlySet<number>;
}

/** What the descriptors of a process stand for, from /proc/PID/fdinfo. */
export function heldBy(pid: number): Held {
  const programs = new Set<number>();
  const links = new Set<number>();
  const maps = new Set<number>();
  const folder = `/proc/${pid}/fdinfo`;
  for (const descriptor of readdirSync(folder)) {
    const text = readIfThere(`${folder}/${descriptor}`);
    const link = /^link_id:\s*(\d+)$/m.exec(text)?.[1];
    const program = /^prog_id:\s*(\d+)$/m.exec(text)?.[1];
    const map = /^map_id:\s*(\d+)$/m.exec(text)?.[1];
    if (map !== undefined) maps.add(Number(map));
    if (link !== undefined) links.add(Number(link));
    // A link names its program too.
    if (program !== undefined) programs.add(Number(program));
  }
  return { maps, programs, links };
}

/** Of the process itself, the descriptor of the listing is gone by now: "". */
function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** Those of them that the kernel still has, as bpftool(8) lists them. */
export async function leftOf(held: Held): Promise<{ programs: number[]; links: number[] }> {
  return {
    programs: (await idsOf('prog')).filter((id) => held.programs.has(id)),
    links: (await idsOf('link')).filter((id) => held.links.has(id)),
  };
}

/** The ids of all that the kernel has of a kind. */
export async function idsOf(kind: 'prog' | 'link' | 'map'): Promise<number[]> {
  const { stdout } = await run('bpftool', ['-j', kind, 'list'], { maxBuffer: 64 << 20 });
  const list = stdout.trim() === '' ? [] : (JSON.parse(stdout) as unknown);
  if (!Array.isArray(list)) throw new Error(`bpftool said:\n${stdout}`);
  return list.map((each: { readonly id: number }) => each.id);
}
