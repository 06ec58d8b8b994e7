import { createServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { CONNECTION_LIMIT, REQUEST_DEADLINE_MS } from './limits.js';
import { ServeError } from './serve-error.js';

/** What it takes to serve others than this machine. */
export interface Access {
  /** What the server shows to be who it is, and its key, in PEM. */
  readonly cert: string;
  readonly key: string;
  /** What whoever asks has to know. */
  readonly token: string;
}

/**
 * A server of HTTP; with a certificate, of HTTPS alone.
 *
 * @throws ServeError `bad-certificate`
 */
export function createWebServer(options: ServerOptions, access: Access | null): Server {
  if (access === null) return createServer(options);
  const { cert, key } = access;
  const tls = { cert, key, minVersion: 'TLSv1.2', handshakeTimeout: REQUEST_DEADLINE_MS } as const;
  try {
    const server = createTlsServer({ ...options, ...tls });
    // Those that are still shaking hands are connections too.
    server.maxConnections = CONNECTION_LIMIT;
    return server;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ServeError('bad-certificate', `--cert and --key: ${why}`, { cause: error });
  }
}

/** What a server calls a connection on which HTTP is spoken: with TLS, what comes out of it. */
export function connectionEvent(server: Server): 'connection' | 'secureConnection' {
  return server instanceof TlsServer ? 'secureConnection' : 'connection';
}

/**
 * @returns the port really taken
 * @throws ServeError `address-in-use`, `address-not-available`, `listen-failed`
 */
export function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const where = `${host}:${port}`;
      if (error.code === 'EADDRINUSE') {
        const message = `${where} is taken by another program; choose another with --port`;
        reject(new ServeError('address-in-use', message, { cause: error }));
      } else if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
        const message = `${host} is not an address of this machine`;
        reject(new ServeError('address-not-available', message, { cause: error }));
      } else {
        const message = `cannot listen on ${where}: ${error.message}`;
        reject(new ServeError('listen-failed', message, { cause: error }));
      }
    };
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
