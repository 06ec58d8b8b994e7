import { describe, expect, test } from 'vitest';
import { LEAST_WIDTH, parseChoices } from '../../ui/src/table/column-choices.js';
import { COLUMNS } from '../../ui/src/table/columns.js';
import { parseOrder } from '../../ui/src/table/row-order.js';

describe('remembered columns', () => {
  const ids = COLUMNS.map(({ id }) => id);

  test('are as they come without any, optional ones hidden', () => {
    const setup = parseChoices(null);
    expect(setup.map(({ id }) => id)).toEqual(ids);
    expect(setup.find(({ id }) => id === 'packets')?.isShown).toBe(false);
  });

  test('keep order, choice and width; what is new comes last', () => {
    const text = JSON.stringify([
      { id: 'p99', isShown: true, width: 120 },
      { id: 'src', isShown: false, width: null },
    ]);
    const [first, second, ...rest] = parseChoices(text);
    expect([first, second]).toEqual(JSON.parse(text));
    expect(rest).toHaveLength(ids.length - 2);
  });

  test.each(['no JSON', '{}', '[1, null, {"id": "nothing", "isShown": true}, {"id": "src"}]'])(
    'that cannot be read are left out: %s',
    (text) => {
      expect(parseChoices(text)).toEqual(parseChoices(null));
    },
  );

  test('have a width that can be seen, and each column once', () => {
    const text = JSON.stringify([
      { id: 'src', isShown: true, width: 1 },
      { id: 'src', isShown: true, width: 90 },
    ]);
    expect(parseChoices(text)[0]?.width).toBe(LEAST_WIDTH);
    expect(parseChoices(text)).toHaveLength(ids.length);
  });
});

test('an order that there is not is the usual one', () => {
  expect(parseOrder('-p99')).toEqual({ column: 'p99', descending: true });
  expect(parseOrder('nothing')).toEqual({ column: 'start', descending: true });
});
