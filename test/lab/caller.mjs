// Asks URL, within a second; prints {"callerPort","body"}, or null where nothing answers.
import { get } from 'node:http';

const url = process.argv[2] ?? '';
const request = get(url, { agent: false, timeout: 1000 }, (response) => {
  const callerPort = response.socket.localPort;
  let body = '';
  response.setEncoding('utf8').on('data', (text) => {
    body += text;
  });
  response.on('end', () => process.stdout.write(JSON.stringify({ callerPort, body })));
});
request.on('timeout', () => {
  process.stdout.write('null');
  process.exit(0);
});
