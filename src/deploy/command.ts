import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { UsageError } from '../model/errors.js';
import { VERSION } from '../version.js';
import { manifests } from './manifests.js';

const HELP = `Usage: hopscope manifest [options] | kubectl apply -f -

Kubernetes manifests on standard output: a DaemonSet that watches each node, with
the rights it needs to ask the API server for names. The image is made of the
package by src/deploy/Dockerfile.

  --namespace NAME     the namespace of Kubernetes that it runs in; hopscope by default
  --image IMAGE        hopscope:${VERSION} by default
`;

/** A DNS label (RFC 1123), as Kubernetes wants it. */
const NAMESPACE = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/u;
const IMAGE = /^[a-zA-Z0-9][\w.:/@-]{0,254}$/u;

export async function runManifest(args: string[]): Promise<number> {
  const { namespace = 'hopscope', image = `hopscope:${VERSION}`, help } = read(args);
  if (help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  if (!NAMESPACE.test(namespace)) {
    throw new UsageError('BAD_NAMESPACE', `not a name of a namespace: ${namespace}`);
  }
  if (!IMAGE.test(image)) throw new UsageError('BAD_IMAGE', `not a name of an image: ${image}`);
  const documents = manifests({ namespace, image }).map((each) => stringify(each));
  process.stdout.write(documents.join('---\n'));
  return 0;
}

function read(args: string[]): { namespace?: string; image?: string; help?: boolean } {
  const options = {
    namespace: { type: 'string' },
    image: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  try {
    return parseArgs({ args, options, strict: true }).values;
  } catch (error) {
    throw new UsageError('BAD_OPTION', error instanceof Error ? error.message : String(error));
  }
}
