import { type GenericSchema, safeParse } from 'valibot';
import {
  type ClientMessage,
  errorMessageSchema,
  filterMessageSchema,
  flowMessageSchema,
  flowsMessageSchema,
  groupMessageSchema,
  groupsMessageSchema,
  helloMessageSchema,
  historyMessageSchema,
  pauseMessageSchema,
  qualityMessageSchema,
  type ServerMessage,
  subscribeMessageSchema,
  unsubscribeMessageSchema,
} from './messages.js';
import { type MtuReport, mtuReportSchema } from './mtu-report.js';
import { problemOf } from './problem.js';

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: string; readonly message: string };

const SERVER_SCHEMAS = {
  hello: helloMessageSchema,
  flows: flowsMessageSchema,
  flow: flowMessageSchema,
  history: historyMessageSchema,
  groups: groupsMessageSchema,
  quality: qualityMessageSchema,
  error: errorMessageSchema,
};

const CLIENT_SCHEMAS = {
  subscribe: subscribeMessageSchema,
  unsubscribe: unsubscribeMessageSchema,
  filter: filterMessageSchema,
  group: groupMessageSchema,
  pause: pauseMessageSchema,
};

/**
 * Reads what a daemon sent. Never throws; `code` says what is wrong. Members that this
 * version does not know stay, so that a newer daemon may add some.
 */
export function parseServerMessage(text: string): Parsed<ServerMessage> {
  const parsed = parseMessage<ServerMessage>(text, SERVER_SCHEMAS);
  return parsed.ok ? { ok: true, value: parsed.given as ServerMessage } : parsed;
}

/** Reads what a daemon answered to `/api/mtu`, as `parseServerMessage` does. */
export function parseMtuReport(text: string): Parsed<MtuReport> {
  const parsed = parseMessage<MtuReport>(text, { mtu: mtuReportSchema });
  return parsed.ok ? { ok: true, value: parsed.given as MtuReport } : parsed;
}

/** Reads what a browser sent. Never throws; `code` says what is wrong. Only what is known stays. */
export function parseClientMessage(text: string): Parsed<ClientMessage> {
  return parseMessage<ClientMessage>(text, CLIENT_SCHEMAS);
}

type Checked<T> =
  /** As it was read, and as the schema has it: without members that it does not name. */
  | { readonly ok: true; readonly given: unknown; readonly value: T }
  | { readonly ok: false; readonly code: string; readonly message: string };

/** Reads one message of text by the schema that its `type` names. */
function parseMessage<Message extends { readonly type: string }>(
  text: string,
  schemas: Readonly<Record<string, GenericSchema<unknown, Message>>>,
): Checked<Message> {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return { ok: false, code: 'not-json', message: 'the message is not JSON' };
  }
  const type = typeof given === 'object' && given !== null && 'type' in given ? given.type : null;
  if (typeof type !== 'string') {
    return { ok: false, code: 'no-type', message: 'the message has no type' };
  }
  const schema = Object.hasOwn(schemas, type) ? schemas[type] : undefined;
  if (schema === undefined) {
    const known = Object.keys(schemas).join(', ');
    return { ok: false, code: 'unknown-type', message: `the type is not one of ${known}` };
  }
  const result = safeParse(schema, given, { abortEarly: true });
  return result.success
    ? { ok: true, given, value: result.output }
    : { ok: false, code: 'bad-field', message: problemOf(result.issues, type) };
}
