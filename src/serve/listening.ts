import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer, type Server as TlsServer } from 'node:tls';
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

export interface Listening {
  readonly port: number;
  /** What accepts connections. */
  readonly server: Server | TlsServer;
  /** Takes no more connections. */
  close(): void;
}

/**
 * Has the server answer on an address: with a certificate, what comes out of TLS.
 *
 * @throws ServeError `address-in-use`, `address-not-available`, `listen-failed`, `bad-certificate`
 */
export async function listenOn(
  server: Server,
  host: string,
  port: number,
  access: Access | null,
): Promise<Listening> {
  if (access === null) {
    return { port: await listen(server, host, port), server, close: () => undefined };
  }
  const door = doorOf(server, access);
  return { port: await listen(door, host, port), server: door, close: () => door.close() };
}

function doorOf(server: Server, { cert, key }: Access): TlsServer {
  let door: TlsServer;
  try {
    door = createServer({
      cert,
      key,
      minVersion: 'TLSv1.2',
      handshakeTimeout: REQUEST_DEADLINE_MS,
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ServeError('bad-certificate', `--cert and --key: ${why}`, { cause: error });
  }
  door.maxConnections = CONNECTION_LIMIT;
  door.on('secureConnection', (socket) => server.emit('connection', socket));
  // Whoever does not speak TLS is turned away by it.
  door.on('tlsClientError', (_error, socket) => socket.destroy());
  return door;
}

function listen(server: Server | TlsServer, host: string, port: number): Promise<number> {
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
