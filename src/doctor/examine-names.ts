import { ContainerNames, CRI, DOCKER, type RuntimeKind } from '../provide/container-names.js';
import {
  absent,
  available,
  type Finding,
  type FindingSubject,
  finding,
  type Observation,
} from './diagnosis.js';

const RUNTIME: FindingSubject = {
  id: 'container-runtime',
  area: 'names',
  title: 'pods and containers of a runtime',
  need: 'optional',
  consequence: 'pods and containers have no names from a runtime',
  remedy: null,
};

/** Who may be asked for names: runtimes of these kinds. */
export async function examineNames(
  kinds: readonly RuntimeKind[] = [CRI, DOCKER],
): Promise<Finding[]> {
  const sockets = kinds.flatMap((kind) => kind.sockets.map((socket) => ({ kind, socket })));
  const observed = await Promise.all(sockets.map(({ kind, socket }) => observe(kind, socket)));
  const found = observed.filter((each) => each !== null);
  if (found.length === 0) {
    const looked = sockets.map(({ socket }) => socket).join(' or ');
    return [finding(RUNTIME, absent(`no socket at ${looked}`))];
  }
  // One that is there and does not answer is not as it should be.
  return found.map((each) => finding({ ...RUNTIME, need: 'wanted' }, each));
}

async function observe(kind: RuntimeKind, socket: string): Promise<Observation | null> {
  // One socket at a time, as if it were one of the usual ones.
  const names = new ContainerNames(kind, [socket], false);
  try {
    await names.read([]);
    const [fault] = names.missing;
    if (fault !== undefined) {
      const remedy = /EACCES/u.test(fault) ? 'run as root' : 'see what the runtime is doing';
      return absent(fault, remedy);
    }
    if (names.runtimes === 0) return null;
    const what = kind.name === 'cri' ? 'pods' : 'containers';
    return available(`at ${socket}, ${names.pods} ${what}`);
  } finally {
    names.close();
  }
}
