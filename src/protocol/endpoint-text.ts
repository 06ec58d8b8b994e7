import type { Endpoint } from './flow-row.js';

/** `10.0.0.1:80`, `[fd00::1]:80`, or the address alone when there is no port. */
export function endpointText(endpoint: Endpoint): string {
  if (endpoint.port === null) return endpoint.address;
  const address = endpoint.address.includes(':') ? `[${endpoint.address}]` : endpoint.address;
  return `${address}:${endpoint.port}`;
}
