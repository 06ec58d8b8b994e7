import { resolve } from 'node:path';
import { log } from '../../logger.js';
import { UsageError } from '../../model/errors.js';
import { ConfigError } from '../config-error.js';
import { readConfigFile } from '../config-file.js';
import { configSchema } from '../config-schema.js';
import { COMMON_OPTIONS, parse } from '../options.js';
import { serviceUnit } from '../service-unit.js';

const HELP = `Usage: hopscope config --schema
       hopscope config --check FILE
       hopscope config --systemd [--config FILE]

A configuration file has options by their long names, in YAML or JSON:

  port: 7677
  memory: 1G
  sample: auto
  cpu-budget: 5
  allow-host: [node1, node1.example.org]
  log-format: json

It is given with --config to serve, flows, trace, demo, record and replay. Each
takes the options that it has, and leaves those of the others alone. What the
command line says wins; --no-json and the like take back what the file says.

  --schema             its JSON Schema, with every option
  --check FILE         all that is wrong with FILE, each with its line
  --systemd            a unit of systemd that runs hopscope serve from where it is
                       now: hopscope config --systemd > /etc/systemd/system/hopscope.service
  --config FILE        the file that the unit names
  -h, --help           this text

Exit status: 0 done, 2 bad usage, or something is wrong with FILE.
`;

const OPTIONS = {
  schema: { type: 'boolean' },
  check: { type: 'string' },
  systemd: { type: 'boolean' },
  config: { type: 'string' },
  'log-format': COMMON_OPTIONS['log-format'],
  help: { type: 'boolean', short: 'h' },
} as const;

export async function runConfig(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, OPTIONS);
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const format = values['log-format'];
  if (format !== undefined) log.format = COMMON_OPTIONS['log-format'].read(format);
  const wanted = [values.schema, values.check, values.systemd].filter((each) => each !== undefined);
  if (wanted.length !== 1 || positionals.length > 0) {
    throw new UsageError(
      'CONFIG_USAGE',
      'config takes one of --schema, --check FILE and --systemd; see hopscope config --help',
    );
  }
  if (values.schema === true) {
    process.stdout.write(`${JSON.stringify(configSchema(), null, 2)}\n`);
  } else if (values.check !== undefined) {
    const { problems, values: options } = await readConfigFile(values.check);
    if (problems.length > 0) throw new ConfigError(values.check, problems);
    process.stdout.write(`${values.check}: ${Object.keys(options).length} options, all good\n`);
  } else {
    if (values.config !== undefined) {
      const { problems } = await readConfigFile(values.config);
      if (problems.length > 0) throw new ConfigError(values.config, problems);
    }
    process.stdout.write(
      serviceUnit({ config: values.config === undefined ? null : resolve(values.config) }),
    );
  }
  return 0;
}
