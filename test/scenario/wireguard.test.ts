import { describeCluster } from './cluster-scenes.js';

await describeCluster('wireguard');
