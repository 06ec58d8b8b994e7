import { FILTER_TEXT_LIMIT, FLOW_ID_LIMIT } from './limits.js';
import type { ClientMessage } from './messages.js';
import { type Parsed, parseMessage } from './parse-message.js';
import { boolean, object, type Reader, short } from './untrusted-value.js';

const flowId = short(FLOW_ID_LIMIT);

const CLIENT_READERS: {
  readonly [T in ClientMessage['type']]: Reader<Extract<ClientMessage, { type: T }>>;
} = {
  subscribe: (value, at) => ({
    type: 'subscribe',
    id: flowId(object(value, at)['id'], `${at}.id`),
  }),
  unsubscribe: (value, at) => ({
    type: 'unsubscribe',
    id: flowId(object(value, at)['id'], `${at}.id`),
  }),
  filter: (value, at) => {
    const { text } = object(value, at);
    if (text === '') return { type: 'filter', text };
    return { type: 'filter', text: short(FILTER_TEXT_LIMIT)(text, `${at}.text`) };
  },
  pause: (value, at) => ({
    type: 'pause',
    paused: boolean(object(value, at)['paused'], `${at}.paused`),
  }),
};

/** Reads what a browser sent. Never throws; `code` says what is wrong. */
export function parseClientMessage(text: string): Parsed<ClientMessage> {
  return parseMessage<ClientMessage>(text, CLIENT_READERS);
}
