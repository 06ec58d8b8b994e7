import { describe } from 'vitest';
import { describeCluster } from './cluster-scenes.js';
import { missingFor } from './missing.js';

const missing = await missingFor({ encap: 'ipip' });

describe.skipIf(missing !== null)(missing ?? 'ipip', () => describeCluster('ipip'));
