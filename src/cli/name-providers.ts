import { existsSync } from 'node:fs';
import { LabNames } from '../lab/lab-names.js';
import { ContainerNames, CRI, DOCKER } from '../provide/container-names.js';
import { FileNames } from '../provide/file-names.js';
import { KubeNames } from '../provide/kube/kube-names.js';
import type { NameChoice } from '../provide/name-choice.js';
import type { NameProvider } from '../provide/name-provider.js';
import { UnitNames } from '../provide/unit-names.js';

/** Every pod has one that it may show the API server. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/**
 * Who is asked for names, besides the rules.
 *
 * @throws UsageError as FileNames
 */
export function nameProviders(choice: NameChoice): NameProvider[] {
  const { file, cri, docker } = choice;
  return [
    ...(file === null ? [] : [new FileNames(file)]),
    ...kubeNames(choice),
    new ContainerNames(CRI, cri),
    new ContainerNames(DOCKER, docker),
    new LabNames(),
    new UnitNames(),
  ];
}

/** None where nobody says that there is a cluster. */
function kubeNames({ kubernetes, node }: NameChoice): NameProvider[] {
  if (kubernetes === 'off') return [];
  if (kubernetes !== 'auto') return [new KubeNames({ kubeconfig: kubernetes, node })];
  const isInPod =
    process.env['KUBERNETES_SERVICE_HOST'] !== undefined && existsSync(SERVICE_ACCOUNT);
  return isInPod ? [new KubeNames({ kubeconfig: null, node })] : [];
}
