import { CRI_SOCKETS, CriNames } from '../provide/cri/cri-names.js';
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
  title: 'pods of a container runtime',
  need: 'optional',
  consequence: 'pods have no names from containerd or CRI-O',
  remedy: null,
};

/**
 * Who may be asked for names.
 *
 * @param sockets of container runtimes
 */
export async function examineNames(sockets: readonly string[] = CRI_SOCKETS): Promise<Finding[]> {
  const observed = await Promise.all(sockets.map(observe));
  const found = observed.filter((each) => each !== null);
  if (found.length === 0) {
    return [finding(RUNTIME, absent(`no socket at ${sockets.join(' or ')}`))];
  }
  // One that is there and does not answer is not as it should be.
  return found.map((each) => finding({ ...RUNTIME, need: 'wanted' }, each));
}

async function observe(socket: string): Promise<Observation | null> {
  // One socket at a time, as if it were one of the usual ones.
  const names = new CriNames([socket], false);
  try {
    await names.read([]);
    const [fault] = names.missing;
    if (fault !== undefined) {
      const remedy = /EACCES/u.test(fault) ? 'run as root' : 'see what the runtime is doing';
      return absent(fault, remedy);
    }
    return names.runtimes === 0 ? null : available(`at ${socket}, ${names.pods} pods`);
  } finally {
    names.close();
  }
}
