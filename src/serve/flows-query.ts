import {
  FILTER_TEXT_LIMIT,
  ORDER_COLUMNS,
  type OrderColumn,
  parseFilter,
  type RowOrder,
} from 'hopscope-protocol';
import type { PagePosition } from './channel-messages.js';
import { API_FLOW_DEFAULT, API_FLOW_LIMIT, API_SORTED_LIMIT } from './limits.js';
import { Refused } from './refused.js';

/** What is asked of `/api/flows`. */
export interface FlowsQuery {
  /** In the filter language, empty for all flows. */
  readonly filter: string;
  /** Null for the order of change, the newest first. */
  readonly order: RowOrder | null;
  readonly limit: number;
  /** Where the page begins; null for the first, and where there is an order. */
  readonly from: PagePosition | null;
}

/** What the collector knows of a flow: rates are measured for pages alone. */
export const SORTED_BY = ORDER_COLUMNS.filter((column) => column !== 'pps' && column !== 'bps');

/**
 * @throws Refused `bad-filter`, `bad-sort`, `bad-limit`, `bad-cursor`; `unknown-parameter` for one that
 *   is misspelt, which would give all flows
 */
export function readFlowsQuery(params: URLSearchParams): FlowsQuery {
  for (const name of params.keys()) {
    if (['q', 'sort', 'limit', 'cursor'].includes(name)) continue;
    const message = `there is no parameter ${JSON.stringify(name)}: q, sort, limit and cursor are`;
    throw new Refused(400, 'unknown-parameter', message);
  }
  const order = readOrder(params.get('sort'));
  const from = readCursor(params.get('cursor'));
  if (order !== null && from !== null) {
    throw new Refused(400, 'bad-cursor', 'flows in an order have one page: leave the cursor out');
  }
  const most = order === null ? API_FLOW_LIMIT : API_SORTED_LIMIT;
  const limit = readLimit(params.get('limit'), most);
  return { filter: readFilter(params.get('q')), order, limit, from };
}

function readFilter(text: string | null): string {
  if (text === null) return '';
  if (text.length > FILTER_TEXT_LIMIT) {
    const message = `the filter has at most ${FILTER_TEXT_LIMIT} characters`;
    throw new Refused(400, 'bad-filter', message);
  }
  const [problem] = parseFilter(text).problems;
  if (problem === undefined) return text;
  const { at, message, suggestion } = problem;
  const instead = suggestion === null ? '' : `; did you mean ${suggestion}?`;
  throw new Refused(400, 'bad-filter', `the filter, at ${at}: ${message}${instead}`);
}

function readOrder(text: string | null): RowOrder | null {
  if (text === null) return null;
  const descending = text.startsWith('-');
  const column = SORTED_BY.find((one: OrderColumn) => one === text.slice(descending ? 1 : 0));
  if (column !== undefined) return { column, descending };
  const message = `sort must be one of ${SORTED_BY.join(', ')}, with - for the largest first`;
  throw new Refused(400, 'bad-sort', message);
}

function readLimit(text: string | null, most: number): number {
  if (text === null) return API_FLOW_DEFAULT;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= most) return limit;
  throw new Refused(400, 'bad-limit', `limit must be a whole number from 1 to ${most}`);
}

/** A cursor is what a page before gave as `next`. */
function readCursor(text: string | null): PagePosition | null {
  if (text === null) return null;
  const match = /^(\d{1,16})\.([\w-]{1,128})$/.exec(text);
  const before = Number(match?.[1]);
  const id = match?.[2];
  if (id !== undefined && Number.isSafeInteger(before)) return { before, id };
  throw new Refused(400, 'bad-cursor', 'cursor must be what a page before gave as "next"');
}
