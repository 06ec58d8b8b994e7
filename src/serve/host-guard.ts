import type { IncomingHttpHeaders } from 'node:http';

export interface Refusal {
  readonly code: 'foreign-host' | 'foreign-origin';
  readonly message: string;
}

/** `host` and `host:port` as a Host header may spell them, in lower case. */
export type HostGuard = (headers: IncomingHttpHeaders) => Refusal | null;

/**
 * Lets requests through that were meant for this server. A page elsewhere can make
 * a browser connect to loopback, directly or by a name it resolves there (DNS
 * rebinding); the Origin and Host headers, which it cannot choose, show it.
 *
 * `allowHosts` are further names, for use through a forwarded port: with a port
 * only that one, without a port any. With `isAnyHost`, for a server with a login, any name
 * is answered to, and of pages only those of the very host that is asked.
 */
export function createHostGuard(
  port: number,
  bound: string,
  allowHosts: readonly string[] = [],
  isAnyHost = false,
): HostGuard {
  const names = ['localhost', '127.0.0.1', '[::1]', bound.includes(':') ? `[${bound}]` : bound];
  const exact = new Set<string>();
  const anyPort = new Set<string>();
  for (const name of names) {
    exact.add(`${name.toLowerCase()}:${port}`);
    if (port === 80) exact.add(name.toLowerCase());
  }
  for (const name of allowHosts) {
    if (splitHost(name)?.port === undefined) anyPort.add(name.toLowerCase());
    else exact.add(name.toLowerCase());
  }
  const allowed = (host: string): boolean => {
    const split = splitHost(host);
    if (split === null) return false;
    return exact.has(host.toLowerCase()) || anyPort.has(split.name.toLowerCase());
  };

  return (headers) => {
    const { host, origin } = headers;
    if (isAnyHost) return host === originOf(origin, host) ? null : foreignOrigin(origin);
    if (host === undefined || !allowed(host)) {
      return {
        code: 'foreign-host',
        message: `this server does not answer to the host name ${quote(host)}; see --allow-host`,
      };
    }
    if (origin !== undefined && !allowed(originHost(origin))) {
      return foreignOrigin(origin);
    }
    return null;
  };
}

function foreignOrigin(origin: string | undefined): Refusal {
  return {
    code: 'foreign-origin',
    message: `pages of ${quote(origin)} may not use this server; see --allow-host`,
  };
}

/** The host that a page came from; the one asked for where no page asks. */
function originOf(origin: string | undefined, host: string | undefined): string | undefined {
  return origin === undefined ? host : originHost(origin);
}

function splitHost(host: string): { name: string; port: string | undefined } | null {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(\d{1,5}))?$/i.exec(host);
  return match?.[1] === undefined ? null : { name: match[1], port: match[2] };
}

/** Empty, hence never allowed, for `null` and whatever else is not http. */
function originHost(origin: string): string {
  return /^https?:\/\/([^/@?#]+)$/i.exec(origin)?.[1] ?? '';
}

function quote(value: string | undefined): string {
  return value === undefined ? '(none)' : JSON.stringify(value.slice(0, 100));
}
