import { runIn } from '../../src/lab/run-command.js';
import { A, B } from './counted-router.js';

/** Where `transfer` connects to. */
export const PORT = 5201;

export const ping = (...args: string[]): Promise<string> => runIn(A.netns, 'ping', ['-q', ...args]);
export const send = (address: string, port: number, text = 'hello'): Promise<string> =>
  runIn(A.netns, 'bash', ['-c', `echo -n ${text} > /dev/udp/${address}/${port}`]);

/** A connection from A to B that carries so many bytes and is closed by both. */
export async function transfer(address: string, bytes: number): Promise<void> {
  const family = address.includes(':') ? 'AF_INET6' : 'AF_INET';
  const server = runIn(B.netns, 'python3', [
    '-c',
    [
      'import socket',
      `s=socket.socket(socket.${family}); s.setsockopt(1,2,1); s.bind(("${address}",${PORT}))`,
      's.listen(); c=s.accept()[0]',
      'while c.recv(1<<20): pass',
      'c.close()',
    ].join('\n'),
  ]);
  while ((await runIn(B.netns, 'ss', ['-Hltn', `sport = :${PORT}`])).trim() === '');
  await runIn(A.netns, 'python3', [
    '-c',
    [
      'import socket',
      `s=socket.create_connection(("${address}",${PORT})); s.sendall(bytes(${bytes}))`,
      's.shutdown(1); s.recv(1)',
    ].join('\n'),
  ]);
  await server;
}

/** Sends IPv4 packets as they are written, in hexadecimal, from A to B. */
export const sendRaw = (...packets: string[]): Promise<string> =>
  runIn(A.netns, 'python3', [
    '-c',
    [
      'import socket,sys',
      's=socket.socket(2,3,255)',
      `for p in sys.argv[1:]: s.sendto(bytes.fromhex(p),("${B.ip}",0))`,
    ].join('\n'),
    ...packets,
  ]);

/** So many processes at A send so many datagrams each, of 64 bytes, as fast as they can. */
export const flood = (address: string, senders: number, datagrams: number): Promise<string> =>
  runIn(A.netns, 'python3', [
    '-c',
    [
      'import socket,os',
      `for i in range(${senders}):`,
      '  if os.fork()==0:',
      `    s=socket.socket(2,2); s.connect(("${address}",9000+i))`,
      `    for n in range(${datagrams}): s.send(bytes(64))`,
      '    os._exit(0)',
      `for i in range(${senders}): os.wait()`,
    ].join('\n'),
  ]);
