import type { EndpointRecord } from './flow-record.js';

/** What rows are filtered by besides what they show. */
export const TAG_FIELDS = ['pod', 'ns', 'svc', 'workload', 'label'] as const;
export type TagField = (typeof TAG_FIELDS)[number];

/** Tags of one row. */
export const TAGS_LIMIT = 64;

/**
 * What is known of both ends of a flow, one `field:value` each: `pod:web-1`, `ns:shop`,
 * `svc:shop/web` and `svc:web`, `workload:Deployment/web` and `workload:web`, `label:app=web`.
 */
export function flowTags(ends: readonly EndpointRecord[], service: string | null): string[] {
  const tags = new Set<string>();
  const add = (field: TagField, value: string): void => {
    if (tags.size < TAGS_LIMIT) tags.add(`${field}:${value}`);
  };
  for (const { name, kind, namespace } of ends) {
    if (name !== null && kind === 'pod') add('pod', name);
    if (namespace !== undefined) add('ns', namespace);
  }
  if (service !== null) {
    const [namespace = '', name = ''] = service.split('/');
    add('svc', service);
    if (name !== '') {
      add('svc', name);
      add('ns', namespace);
    }
  }
  for (const { workload, labels = {} } of ends) {
    if (workload !== undefined) {
      add('workload', workload);
      add('workload', workload.slice(workload.indexOf('/') + 1));
    }
    for (const [key, value] of Object.entries(labels)) add('label', `${key}=${value}`);
  }
  return [...tags];
}
