/** Statuses that hopscope, or Node for it, gives to a request; never one of 500. */
export const STATUSES: ReadonlySet<number> = new Set([
  ...[100, 101, 200, 304, 400, 403, 404, 405, 408, 413, 417, 426, 431, 503],
]);

export const REFUSALS: ReadonlySet<string> = new Set([
  ...['foreign-host', 'foreign-origin', 'method-not-allowed', 'bad-url', 'bad-limit'],
  ...[
    'bad-cursor',
    'no-such-flow',
    'not-found',
    'not-http',
    'headers-too-large',
    'request-too-slow',
  ],
  ...['bad-upgrade', 'frames-before-answer', 'bad-filter', 'bad-sort', 'unknown-parameter'],
]);

/** Names of what the request target is put together from. */
export const HTTP_WORDS: readonly string[] = [
  ...['GET ', 'HEAD ', 'POST ', 'CONNECT ', 'OPTIONS ', ' HTTP/1.1\r\n', ' HTTP/1.0\r\n', '\r\n'],
  ...[
    '/healthz',
    '/metrics',
    '/api/flows',
    '/api/flows/',
    '/api/quality',
    '/api/namespaces',
    '/api/mtu',
    '/ws',
  ],
  ...[
    '?limit=',
    '&limit=',
    '?cursor=',
    '?cursor=9.0000000000001001',
    ...['?q=', '&q=', 'p99>1ms', 'port:40003', '?sort=', '&sort=-', '-last'],
    '/assets/index.js',
    '/../',
    '//',
  ],
  ...['%2e%2e', '%00', '%ff', '%', 'http://hopscope.test/', 'http://[/', '0000000000001001', '*'],
  ...['Host: hopscope.test\r\n', 'Host: other\r\n', 'Origin: null\r\n', 'Connection: close\r\n'],
  ...['Origin: http://hopscope.test\r\n', 'If-None-Match: "x"\r\n', 'Content-Length: 3\r\n'],
  ...['Transfer-Encoding: chunked\r\n', 'Upgrade: websocket\r\n', 'Connection: Upgrade\r\n'],
  ...['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n', 'Sec-WebSocket-Version: 13\r\n'],
  ...['Expect: 100-continue\r\n', '[::1]', '127.0.0.1', 'localhost', ':7677', ':99999', '@'],
];
