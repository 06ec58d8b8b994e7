import { FILTER_FIELDS, type FilterField, type FilterTerm } from './filter-term.js';
import { FILTER_TERM_LIMIT, FILTER_TEXT_LIMIT, FLOW_ID_LIMIT } from './limits.js';
import type { ClientMessage } from './messages.js';
import { type Parsed, parseMessage } from './parse-message.js';
import { boolean, list, nullable, object, oneOf, type Reader, short } from './untrusted-value.js';

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
  filter: (value, at) => ({
    type: 'filter',
    terms: list<FilterTerm>((item, where) => {
      const fields = object(item, where);
      return {
        field: nullable(oneOf<FilterField>(...FILTER_FIELDS))(fields['field'], `${where}.field`),
        value: short(FILTER_TEXT_LIMIT)(fields['value'], `${where}.value`),
        negate: boolean(fields['negate'], `${where}.negate`),
      };
    }, FILTER_TERM_LIMIT)(object(value, at)['terms'], `${at}.terms`),
  }),
  pause: (value, at) => ({
    type: 'pause',
    paused: boolean(object(value, at)['paused'], `${at}.paused`),
  }),
};

/** Reads what a browser sent. Never throws; `code` says what is wrong. */
export function parseClientMessage(text: string): Parsed<ClientMessage> {
  return parseMessage<ClientMessage>(text, CLIENT_READERS);
}
