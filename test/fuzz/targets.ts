import type { Target } from './target.js';
import { COUNTS_TARGET } from './targets/counts.js';
import { FILTER_EXPRESSION_TARGET } from './targets/filter-expression.js';
import { FILTER_PROGRAM_TARGET } from './targets/filter-program.js';
import { HTTP_TARGET } from './targets/http.js';
import { HTTP_SOCKET_TARGET } from './targets/http-socket.js';
import { NAMES_TARGET } from './targets/names.js';
import { PACKET_TARGETS } from './targets/packet.js';
import { PIPELINE_TARGET } from './targets/pipeline.js';
import { RECORDING_TARGET } from './targets/recording.js';
import { RECORDS_TARGET } from './targets/records.js';
import { ROWS_TARGET } from './targets/rows.js';
import { RULES_TARGET } from './targets/rules.js';
import { RULES_NETLINK_TARGET } from './targets/rules-netlink.js';
import { TO_BROWSER_TARGET } from './targets/to-browser.js';
import { TO_COLLECTOR_TARGET } from './targets/to-collector.js';
import { WEBSOCKET_TARGET } from './targets/websocket.js';

/** Every way in for what others wrote, the costliest first. */
export const TARGETS: readonly Target[] = [
  ...[PIPELINE_TARGET, HTTP_SOCKET_TARGET, RECORDING_TARGET, FILTER_EXPRESSION_TARGET],
  ...[RECORDS_TARGET, COUNTS_TARGET, ...PACKET_TARGETS, WEBSOCKET_TARGET, HTTP_TARGET],
  ...[TO_COLLECTOR_TARGET, ROWS_TARGET, TO_BROWSER_TARGET, RULES_TARGET, NAMES_TARGET],
  RULES_NETLINK_TARGET,
  FILTER_PROGRAM_TARGET,
];
