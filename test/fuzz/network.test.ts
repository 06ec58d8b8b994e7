import { campaignTests } from './campaign-tests.js';
import { HTTP_TARGET } from './targets/http.js';
import { TO_BROWSER_TARGET } from './targets/to-browser.js';
import { TO_COLLECTOR_TARGET } from './targets/to-collector.js';
import { WEBSOCKET_TARGET } from './targets/websocket.js';

campaignTests([WEBSOCKET_TARGET, HTTP_TARGET, TO_COLLECTOR_TARGET, TO_BROWSER_TARGET]);
