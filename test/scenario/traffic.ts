import { execFile } from 'node:child_process';

/** What a pod's server says of a request. */
export interface Answer {
  readonly pod: string;
  readonly peer: { readonly address: string; readonly port: number };
}

/** Answered echo requests of `count`. */
export async function ping(netns: string, host: string, count = 2): Promise<number> {
  const said = await lenient(netns, 'ping', [
    '-n',
    '-c',
    `${count}`,
    '-i',
    '0.1',
    '-W',
    '0.5',
    host,
  ]);
  return Number(/(\d+) received/.exec(said)?.[1]);
}

/** An HTTP request from a port of one's own choice; `null` when nobody answers in time. */
export async function http(
  netns: string,
  sourcePort: number,
  host: string,
  port: number,
  seconds = 2,
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
