import { campaignTests } from './campaign-tests.js';
import { HTTP_SOCKET_TARGET } from './targets/http-socket.js';

campaignTests([HTTP_SOCKET_TARGET]);
