import { type Infer, problemOf } from 'hopscope-protocol';
import * as v from 'valibot';
import { ChannelError, jsonOf } from './frame.js';

/**
 * Reads the payload of a FRAME_JSON by its schema. What the other end is may one day be somebody
 * else's, so nothing is taken on trust, and what the schema does not name is left out.
 *
 * @param sender who sent it, for the error
 * @throws ChannelError `bad-message`
 */
export function readMessage<Schema extends v.GenericSchema>(
  schema: Schema,
  payload: Uint8Array,
  sender: string,
): Infer<Schema> {
  let value: unknown;
  try {
    value = jsonOf(payload);
  } catch {
    throw badMessage(sender, 'it is not JSON');
  }
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (!result.success) throw badMessage(sender, problemOf(result.issues, 'it'));
  return result.output as Infer<Schema>;
}

function badMessage(sender: string, problem: string): ChannelError {
  return new ChannelError('bad-message', `a message of ${sender}: ${problem}`);
}
