import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

/** What a pod's server says of a request. */
export interface Answer {
  readonly pod: string;
  readonly peer: { readonly address: string; readonly port: number };
}

/**
 * Answered echo requests of `count`.
 *
 * @param more options of ping(8)
 */
export async function ping(
  netns: string,
  host: string,
  count = 2,
  more: readonly string[] = [],
): Promise<number> {
  const said = await lenient(
    netns,
    'ping',
    ['-n', '-c', `${count}`, '-i', '0.1', '-W', '3'].concat(more, host),
  );
  return Number(/(\d+) received/.exec(said)?.[1]);
}

/** An HTTP request from a port of one's own choice; `null` when nobody answers in time. */
export async function http(
  netns: string,
  sourcePort: number,
  host: string,
  port: number,
  seconds = 10,
): Promise<Answer | null> {
  const said = await lenient(
    netns,
    'nc',
    ['-n', '-p', `${sourcePort}`, '-w', `${seconds}`, host, `${port}`],
    'GET / HTTP/1.1\r\nHost: scenario\r\nConnection: close\r\n\r\n',
  );
  const body = said.slice(said.indexOf('\r\n\r\n')).trim();
  return body === '' ? null : (JSON.parse(body) as Answer);
}

/** One datagram to the echo of a pod, from a port of one's own choice; what came back. */
export function udpEcho(netns: string, sourcePort: number, host: string, text: string) {
  const args = ['-n', '-u', '-p', `${sourcePort}`, '-w', '1', host, '5353'];
  return lenient(netns, 'nc', args, text);
}

/** A stream of zeros from one namespace to another; how many arrived. */
export async function stream(
  from: { readonly netns: string; readonly port: number },
  to: { readonly netns: string; readonly address: string; readonly port: number },
  bytes: number,
): Promise<number> {
  const listen = lenient(to.netns, 'sh', ['-c', `nc -n -l -p ${to.port} -w 5 | wc -c`]);
  await untilListening(to.netns, to.port);
  const send = `head -c ${bytes} /dev/zero | nc -n -N -p ${from.port} ${to.address} ${to.port}`;
  await lenient(from.netns, 'sh', ['-c', send]);
  return Number(await listen);
}

async function untilListening(netns: string, port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const sockets = await lenient(netns, 'ss', ['-H', '-l', '-t', '-n', `sport = :${port}`]);
    if (sockets !== '') return;
    await delay(20);
  }
  throw new Error(`nothing listens on port ${port} of ${netns}`);
}

/** Standard output; that nobody answered is no error here, a complaint is. */
function lenient(netns: string, file: string, args: string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile('ip', ['netns', 'exec', netns, file, ...args], (_, out, err) => {
      if (err === '') resolve(out);
      else reject(new Error(`${file} ${args.join(' ')} in ${netns}: ${err}`));
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
