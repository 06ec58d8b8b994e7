// @ts-check
import { argv } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';

/*
 * node client.mjs URL dashboard|api
 *
 * A dashboard that watches all flows, looks at one after the other and is opened anew every minute; or a
 * program that reads every page of the API once a second.
 */

const [, , url = '', kind = 'dashboard'] = argv;
const REOPEN_MS = 60_000;
const PAUSE_MS = 1000;

async function watch() {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`);
  socket.on('error', () => undefined);
  /** @type {string | null} */
  let newest = null;
  socket.on('message', (data) => {
    const message = JSON.parse(String(data));
    if (message.type === 'flows') newest = message.rows.at(-1)?.id ?? newest;
  });
  const looking = setInterval(() => {
    if (newest !== null && socket.readyState === WebSocket.OPEN) {
      socket.send(JSON.stringify({ type: 'subscribe', id: newest }));
    }
  }, 2000);
  await delay(REOPEN_MS);
  clearInterval(looking);
  socket.close();
}

async function readPages() {
  let cursor = '';
  for (let page = 0; page < 20; page++) {
    const answer = await fetch(`${url}/api/flows?limit=100${cursor}`);
    const { flows, next } = JSON.parse(await answer.text());
    const id = flows?.[0]?.id;
    if (id !== undefined) await (await fetch(`${url}/api/flows/${id}`)).text();
    if (next == null) break;
    cursor = `&cursor=${next}`;
  }
  for (const path of ['/api/quality', '/api/namespaces', '/metrics']) {
    await (await fetch(url + path)).text();
  }
}

for (;;) {
  try {
    await (kind === 'api' ? readPages() : watch());
  } catch {
    // The process that serves may be starting anew.
  }
  await delay(PAUSE_MS);
}
