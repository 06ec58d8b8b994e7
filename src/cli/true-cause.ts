import { mayOpenTooFew, remedyOfOpenFiles } from '../doctor/examine-open-files.js';
import { type Needs, readRefusal } from '../doctor/refusal.js';
import { UnsupportedError } from '../model/errors.js';
import { ObserverUnsupportedError } from '../observe/observer-error.js';

/** What tracing asks of a process; see doctor/examine-kernel.ts. */
const TRACING: Needs = [
  ['CAP_BPF', 'CAP_SYS_ADMIN'],
  ['CAP_PERFMON', 'CAP_SYS_ADMIN'],
];
const NO_FILES = /EMFILE|ENFILE|Too many open files/i;
const NO_MEMORY = new Set(['ENOMEM', 'ENOBUFS']);

/**
 * The error that says what to do about it. What fails first names a call and an errno: a program
 * that cannot be loaded, a module that cannot be opened. The cause may be a limit of this process,
 * its privileges, or a kernel without types, and each has a remedy of its own.
 */
export async function trueCause(error: unknown): Promise<unknown> {
  // Of the other process, which had the privileges to find out.
  if (error instanceof ObserverUnsupportedError) return error;
  const chain = [...causes(error)];
  const words = chain.map(({ message }) => message).join('\n');
  // Of a package whose description it cannot open Node says that there is none.
  const isWithoutModule = chain.some(({ code }) => code === 'ERR_MODULE_NOT_FOUND');
  if (
    chain.some(({ code }) => code === 'EMFILE' || code === 'ENFILE') ||
    NO_FILES.test(words) ||
    (isWithoutModule && (await mayOpenTooFew()))
  ) {
    return new UnsupportedError(
      'TOO_MANY_OPEN_FILES',
      'this process may not open as many files as watching takes',
      remedyOfOpenFiles(0),
      { cause: error },
    );
  }
  const refused = chain.find(({ code }) => code === 'EPERM' || code === 'EACCES');
  if (chain.some(isOfKernel) && refused !== undefined) {
    const { because, remedy } = await readRefusal(TRACING);
    const message = `the kernel does not permit this process to trace: ${because}`;
    return new UnsupportedError('KERNEL_NOT_PERMITTED', message, remedy, { cause: error });
  }
  if (error instanceof UnsupportedError && error.code === 'KERNEL_NOT_SUPPORTED') {
    return lackOfKernel(error, chain);
  }
  return error;
}

async function lackOfKernel(error: UnsupportedError, chain: readonly Cause[]): Promise<unknown> {
  if (chain.some(({ code }) => code !== undefined && NO_MEMORY.has(code))) {
    const remedy = 'raise the memory limit of this cgroup (memory.max), or give less with --memory';
    return new UnsupportedError('NOT_ENOUGH_MEMORY', error.message, remedy, { cause: error });
  }
  // Not above: most commands fail for nothing that the kernel has to be examined for.
  const { blockers, examineTracing } = await import('../doctor/diagnose.js');
  const [first] = blockers((await examineTracing()).findings);
  if (first === undefined || first.remedy === null) return error;
  const detail = first.detail === null ? '' : `: ${first.detail}`;
  const message = `${first.title}${detail} (${error.message})`;
  return new UnsupportedError(error.code, message, first.remedy, { cause: error });
}

interface Cause {
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
}

/** The error, and what it comes from. */
function* causes(error: unknown): Generator<Cause> {
  for (let each = error; each instanceof Error; each = each.cause) {
    const { code } = each as { code?: unknown };
    yield {
      name: each.name,
      message: each.message,
      code: typeof code === 'string' ? code : undefined,
    };
  }
}

/** Not by its class: the addon may be what is missing, and then there is no class. */
function isOfKernel({ name }: Cause): boolean {
  return name === 'BpfError';
}
