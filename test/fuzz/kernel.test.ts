import { campaignTests } from './campaign-tests.js';
import { COUNTS_TARGET } from './targets/counts.js';
import { PACKET_TARGETS } from './targets/packet.js';
import { PIPELINE_TARGET } from './targets/pipeline.js';
import { RECORDING_TARGET } from './targets/recording.js';
import { RECORDS_TARGET } from './targets/records.js';

campaignTests([
  PIPELINE_TARGET,
  RECORDS_TARGET,
  COUNTS_TARGET,
  ...PACKET_TARGETS,
  RECORDING_TARGET,
]);
