import type { FlowRow } from 'hopscope-protocol';

/** `default/nginx-service` is `nginx-service` where people read it. */
export function shortService(service: string): string {
  return service.startsWith('default/') ? service.slice('default/'.length) : service;
}

export function sourceLabel(row: FlowRow): string {
  return row.srcName ?? row.src.address;
}

export function destinationLabel(row: FlowRow): string {
  if (row.service !== null) return shortService(row.service);
  return row.dstName ?? row.dst.address;
}
