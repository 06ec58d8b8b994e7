import { parseServerMessage, type ServerMessage } from 'hopscope-protocol';
import { describe, expect, test } from 'vitest';
import { flowRow } from '../../src/serve/flow-row.js';
import { serviceFlow, servicePath } from '../serve/fixture-feed.js';

const ROW = flowRow(serviceFlow('a', 3));

describe('reading what a daemon sent', () => {
  const flows: ServerMessage = {
    type: 'flows',
    reset: false,
    rows: [ROW],
    removed: ['x'],
    total: 1,
    behind: 0,
    now: '1',
  };

  test('gives back what was sent, unknown fields included', () => {
    const sent = { ...flows, rows: [{ ...ROW, colour: 'red' }], later: true };
    const parsed = parseServerMessage(JSON.stringify(sent));
    expect(parsed).toEqual({ ok: true, value: sent });
  });

  test('takes flows and paths with all their fields', () => {
    const message = {
      type: 'flow',
      id: 'a',
      flow: serviceFlow('a', 1),
      rates: null,
      chain: [ROW],
      pathIds: ['a-original-1'],
      paths: [servicePath('a', 1, 'original', 38_610)],
      now: '1',
    };
    expect(parseServerMessage(JSON.stringify(message))).toEqual({ ok: true, value: message });
  });

  test.each([
    ['rows', { rows: [{ ...ROW, packets: 7 }] }, 'flows.rows[0].packets'],
    ['a verdict', { rows: [{ ...ROW, verdict: 'lost' }] }, 'flows.rows[0].verdict'],
    ['an address', { rows: [{ ...ROW, src: null }] }, 'flows.rows[0].src'],
    ['a time', { now: 1 }, 'flows.now'],
    ['a count', { total: '1' }, 'flows.total'],
  ])('refuses %s that is not one, and says where', (_name, change, where) => {
    const parsed = parseServerMessage(JSON.stringify({ ...flows, ...change }));
    expect(parsed).toMatchObject({ ok: false, code: 'bad-field' });
    if (!parsed.ok) expect(parsed.message).toContain(where);
  });
});
