import { access, readFile } from 'node:fs/promises';

/**
 * `loaded` and `builtin` are in the kernel now; `loadable` is on disk and comes when
 * somebody asks for it.
 */
export type ModuleState = 'loaded' | 'builtin' | 'loadable' | 'absent';

/** The two files depmod(8) writes for a kernel release. */
export interface ModuleLists {
  /** modules.builtin */
  readonly builtin: string;
  /** modules.dep */
  readonly loadable: string;
}

/** Empty texts where a kernel has no module tree. */
export async function readModuleLists(release: string): Promise<ModuleLists> {
  const read = (name: string): Promise<string> =>
    readFile(`/lib/modules/${release}/${name}`, 'utf8').catch(() => '');
  return { builtin: await read('modules.builtin'), loadable: await read('modules.dep') };
}

/**
 * Where a module is, found out without loading it: loading `ipip`, for one, makes a
 * `tunl0` in every namespace, and looking must change nothing.
 */
export async function moduleState(name: string, lists: ModuleLists): Promise<ModuleState> {
  if (await exists(`/sys/module/${name}/initstate`)) return 'loaded';
  if (isListed(name, lists.builtin)) return 'builtin';
  return isListed(name, lists.loadable) ? 'loadable' : 'absent';
}

/** Whether a list of paths such as `kernel/net/ipv4/ipip.ko.xz: …` names the module. */
export function isListed(name: string, list: string): boolean {
  // File names may have a dash where the module's name has an underscore.
  const pattern = name.replace(/[-_]/g, '[-_]');
  return new RegExp(`^(?:\\S*/)?${pattern}\\.ko(?:\\.\\w+)?(?::|$)`, 'm').test(list);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
