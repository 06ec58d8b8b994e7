import { describe } from 'vitest';
import { describeCluster } from './cluster-scenes.js';
import { missingFor } from './missing.js';

const missing = await missingFor({ encap: 'wireguard' });

describe.skipIf(missing !== null)(missing ?? 'wireguard', () => describeCluster('wireguard'));
