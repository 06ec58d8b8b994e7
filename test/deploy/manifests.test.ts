import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import * as yaml from 'yaml';
import { parseConfig } from '../../src/cli/config-file.js';
import { type Manifest, manifests } from '../../src/deploy/manifests.js';
import { Cluster } from '../../src/provide/kube/cluster.js';
import { recorded } from '../provide/kube-api-server.js';

/** Of a kube-apiserver 1.37, those schemas that are needed here, without descriptions. */
const { components } = JSON.parse(
  gunzipSync(readFileSync(new URL('openapi.json.gz', import.meta.url))).toString(),
) as { components: { schemas: Record<string, object> } };

const SCHEMAS: Readonly<Record<string, string>> = {
  Namespace: 'io.k8s.api.core.v1.Namespace',
  ServiceAccount: 'io.k8s.api.core.v1.ServiceAccount',
  ConfigMap: 'io.k8s.api.core.v1.ConfigMap',
  ClusterRole: 'io.k8s.api.rbac.v1.ClusterRole',
  ClusterRoleBinding: 'io.k8s.api.rbac.v1.ClusterRoleBinding',
  DaemonSet: 'io.k8s.api.apps.v1.DaemonSet',
};

/** The API server refuses fields that it does not know, as kubectl does. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.fromEntries(Object.entries(value).map(([k, v]) => [k, closed(v)]));
  return 'properties' in value ? { additionalProperties: false, ...fields } : fields;
}

const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema({ $id: 'kube', components: closed(components) });

function faults(manifest: Manifest): unknown {
  const schema = SCHEMAS[String(manifest['kind'])];
  const validate = ajv.compile({ $ref: `kube#/components/schemas/${schema}` });
  validate(JSON.parse(JSON.stringify(manifest)));
  return validate.errors ?? [];
}

const ALL = manifests({ namespace: 'observe', image: 'registry.example/hopscope:1' });
const byKind = new Map(ALL.map((each) => [each['kind'], each]));

describe('the manifests', () => {
  it.each(ALL.map((each) => [String(each['kind']), each] as const))(
    '%s is what the API server takes',
    (_, manifest) => expect(faults(manifest)).toEqual([]),
  );

  it('would be refused with a field that there is not, or of another type', () => {
    const daemonSet = JSON.parse(JSON.stringify(byKind.get('DaemonSet'))) as {
      spec: { template: { spec: Record<string, unknown> } };
    };
    daemonSet.spec.template.spec['hostNetwork'] = 'yes';
    daemonSet.spec.template.spec['hostPids'] = true;
    expect(faults(daemonSet as unknown as Manifest)).toHaveLength(2);
  });

  it('have a configuration that hopscope takes', () => {
    const { data } = byKind.get('ConfigMap') as { data: Record<string, string> };
    expect(() => parseConfig(data['hopscope.yaml'] ?? '', yaml)).not.toThrow();
  });

  it('allow what is asked of the API server, and nothing else', async () => {
    const { rules } = byKind.get('ClusterRole') as unknown as {
      rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
    };
    const allowed = rules.flatMap(({ apiGroups, resources, verbs }) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${apiGroups[0]}/${resource}`)),
    );
    const asked = new Set<string>();
    const owned = (kind: string) => ({
      metadata: {
        ...{ name: kind, namespace: 'a', resourceVersion: '1' },
        ownerReferences: [{ kind, name: 'x', controller: true }],
      },
    });
    const cluster = new Cluster(
      async (path) => {
        const { pathname, searchParams } = new URL(path, 'http://host');
        const [, group = '', resource, name] =
          /^\/apis?\/(?:([a-z0-9.]+)\/)?v1\/(?:namespaces\/[^/]+\/)?([a-z]+)(\/[^/]+)?$/u.exec(
            pathname,
          ) ?? [];
        const isWatch = searchParams.get('watch') === '1';
        asked.add(
          `${name !== undefined ? 'get' : isWatch ? 'watch' : 'list'} ${group}/${resource}`,
        );
        const pods = {
          metadata: { resourceVersion: '1' },
          items: [owned('ReplicaSet'), owned('Job')],
        };
        const text =
          isWatch || name !== undefined
            ? '{}'
            : resource === 'pods'
              ? JSON.stringify(pods)
              : recorded('nodes.list');
        async function* body(): AsyncGenerator<Uint8Array> {
          yield Buffer.from(text);
          if (isWatch) await new Promise(() => undefined);
        }
        return { status: 200, body: body() };
      },
      'n1',
      { onNames: () => undefined, onContact: () => undefined, onFault: () => undefined },
    );
    void cluster.run();
    await expect.poll(() => [...asked].sort()).toEqual([...allowed].sort());
    cluster.stop();
  });
});
