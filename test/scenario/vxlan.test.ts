import { describeCluster } from './cluster-scenes.js';

describeCluster('vxlan');
