/** Bounds of the server. Whatever passes one is refused and counted, never queued. */

/** WebSocket clients at a time. */
export const CLIENT_LIMIT = 32;
/** TCP connections at a time, WebSocket clients included. */
export const CONNECTION_LIMIT = 256;
/** Unsent bytes of one client above which it gets nothing more until it reads. */
export const SEND_BUFFER_LIMIT = 1 << 20;
/** Client messages a second; more are refused. */
export const MESSAGE_RATE_LIMIT = 50;
/** Ids of flows that left the table, kept for clients that have not heard of it. */
export const TOMBSTONE_LIMIT = 8192;
/** Flows `/api/flows` returns at most. */
export const API_FLOW_LIMIT = 10_000;
/** Bytes of dashboard files held in memory. */
export const STATIC_BYTE_LIMIT = 16 << 20;
export const PING_INTERVAL_MS = 10_000;
/** A client that has been silent for so long is cut off. */
export const SILENCE_LIMIT_MS = 30_000;
