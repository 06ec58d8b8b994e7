// @ts-check
import { execFileSync } from 'node:child_process';

/*
 * A client, routers in a row, a server, each a network namespace of its own: a datagram is seen
 * at some fifty places in each direction. Names begin with hs-attack- and are nobody else's.
 */

const PREFIX = 'hs-attack-';
export const ROUTERS = 8;
export const CLIENT = { netns: `${PREFIX}client`, address: '10.77.0.2' };
export const SERVER = { netns: `${PREFIX}server`, address: `10.77.${ROUTERS}.1` };

/** Tables at three priorities, so that hops are before and after each. */
const RULES = `
table ip attack {
  chain p { type filter hook prerouting priority mangle; counter; }
  chain f { type filter hook forward priority filter; counter; }
  chain o { type filter hook postrouting priority mangle; counter; }
}`;

/** Every namespace of the row, from the client on. */
export const NAMESPACES = [
  CLIENT.netns,
  ...Array.from({ length: ROUTERS }, (_, at) => `${PREFIX}r${at}`),
  SERVER.netns,
];

/** @param {string} file @param {readonly string[]} args @param {string} [input] */
function run(file, args, input = '') {
  execFileSync(file, args, { input, stdio: ['pipe', 'ignore', 'pipe'] });
}

/** @param {string} netns @param {readonly string[]} command @param {string} [input] */
function runIn(netns, command, input = '') {
  run('ip', ['netns', 'exec', netns, ...command], input);
}

export function makeChain() {
  removeChain();
  for (const netns of NAMESPACES) {
    run('ip', ['netns', 'add', netns]);
    runIn(netns, [
      'sysctl',
      '-q',
      '-w',
      'net.ipv6.conf.all.disable_ipv6=1',
      'net.ipv4.ip_forward=1',
    ]);
  }
  // Link n has 10.77.n.0/24: .2 on the client's side, .1 on the server's.
  for (let link = 0; link <= ROUTERS; link += 1) {
    const [left, right] = [NAMESPACES[link] ?? '', NAMESPACES[link + 1] ?? ''];
    run('ip', [
      ...['link', 'add', 'right', 'netns', left, 'type', 'veth'],
      ...['peer', 'name', 'left', 'netns', right],
    ]);
    runIn(left, ['ip', 'address', 'add', `10.77.${link}.2/24`, 'dev', 'right']);
    runIn(right, ['ip', 'address', 'add', `10.77.${link}.1/24`, 'dev', 'left']);
    runIn(left, ['ip', 'link', 'set', 'right', 'up']);
    runIn(right, ['ip', 'link', 'set', 'left', 'up']);
  }
  for (const [at, netns] of NAMESPACES.entries()) {
    for (let link = 0; link <= ROUTERS; link += 1) {
      if (link === at || link === at - 1) continue;
      const [dev, via] = link >= at ? ['right', `10.77.${at}.1`] : ['left', `10.77.${at - 1}.2`];
      runIn(netns, ['ip', 'route', 'add', `10.77.${link}.0/24`, 'via', via, 'dev', dev]);
    }
    if (at > 0 && at <= ROUTERS) runIn(netns, ['nft', '-f', '-'], RULES);
  }
}

export function removeChain() {
  for (const netns of NAMESPACES) {
    try {
      run('ip', ['netns', 'del', netns]);
    } catch {
      // it is not there
    }
  }
}
