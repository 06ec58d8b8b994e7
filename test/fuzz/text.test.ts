import { campaignTests } from './campaign-tests.js';
import { FILTER_EXPRESSION_TARGET } from './targets/filter-expression.js';
import { FILTER_PROGRAM_TARGET } from './targets/filter-program.js';
import { NAMES_TARGET } from './targets/names.js';
import { ROWS_TARGET } from './targets/rows.js';
import { RULES_TARGET } from './targets/rules.js';
import { RULES_NETLINK_TARGET } from './targets/rules-netlink.js';

campaignTests([
  FILTER_EXPRESSION_TARGET,
  FILTER_PROGRAM_TARGET,
  ROWS_TARGET,
  RULES_TARGET,
  RULES_NETLINK_TARGET,
  NAMES_TARGET,
]);
