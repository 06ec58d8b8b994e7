/**
 * Bounds and intervals that the daemon and the dashboard agree on.
 *
 * A change that an older reader would misread raises `PROTOCOL_VERSION`; a new
 * optional field does not.
 */
export const PROTOCOL_VERSION = 1;

/**
 * How often the daemon sends changed rows, in milliseconds: with the 100 ms that a packet
 * may take to the flow table, a change is on the page within 250 ms.
 */
export const TICK_MS = 100;
/** How often it sends details and quality, and measures rates, in milliseconds. */
export const SLOW_TICK_MS = 1000;
/** Rows one `flows` message holds at most; the rest follow at the next tick. */
export const ROWS_PER_MESSAGE = 1000;
/** Rows a client is sent when it starts anew, those that changed last, and keeps at most. */
export const ROW_WINDOW = 5000;
/** Rows that a client may have besides, while another order of them is looked for. */
export const ORDER_SLACK = 1000;
/** Flows whose detail one client may follow at a time. */
export const SUBSCRIPTION_LIMIT = 4;
/** Groupings that one client may look at at a time. */
export const GROUPING_LIMIT = 8;
/** Newest finished paths of a followed flow that a client is told of. */
export const PATHS_PER_FLOW = 24;
/** Paths one message brings at most: each may have a hundred hops. */
export const PATHS_PER_MESSAGE = 8;
/** Flows of one chain through proxies that are told of at most. */
export const CHAIN_LIMIT = 17;
/** Bytes of one client message. */
export const CLIENT_MESSAGE_LIMIT = 8192;
/** Characters of one filter, and conditions in it. */
export const FILTER_TEXT_LIMIT = 1_024;
export const FILTER_TERM_LIMIT = 32;
/** Brackets and NOT within each other. */
export const FILTER_DEPTH_LIMIT = 16;
/** Characters of a flow's id. */
export const FLOW_ID_LIMIT = 128;
