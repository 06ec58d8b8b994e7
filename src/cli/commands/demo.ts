import { labDown } from '../../lab/down.js';
import type { LabUpOptions } from '../../lab/options.js';
import { labTraffic } from '../../lab/traffic.js';
import { labUp } from '../../lab/up.js';
import { log } from '../../logger.js';
import { UnsupportedError } from '../../model/errors.js';
import { DEMO, DEMO_OPTIONS } from '../command-options.js';
import { accessOptions, LISTEN_OPTIONS, listenOptions } from '../listen.js';
import { stopRequest } from '../observe.js';
import { runObserving } from '../observing.js';
import { commonHelp, optionHelp } from '../option.js';
import { COMMON_OPTIONS, filteredOptions } from '../options.js';
import { readOptions } from '../read-options.js';
import type { DemoLab } from './demo-dashboard.js';

const HELP = `Usage: hopscope demo [options] [EXPR]

The reference cluster in network namespaces, traffic in it, and the dashboard
that watches it; all of it is gone when the demo ends. Where the kernel cannot be
used, a recording of the same is shown, and it says so.

${optionHelp({ ...DEMO_OPTIONS, ...LISTEN_OPTIONS })}${commonHelp(COMMON_OPTIONS)}
The lab's packets are all traced, unless --sample or --cpu-budget is given.
`;

export async function runDemo(args: string[]): Promise<number> {
  const parsed = await readOptions(args, DEMO, HELP);
  if (parsed === null) return 0;
  const { values, positionals } = parsed;
  // What is wrong with them is said before there is a lab.
  filteredOptions(values, positionals);
  listenOptions(values);
  accessOptions(values);
  const encap = values.encap === undefined ? undefined : DEMO_OPTIONS.encap.read(values.encap);
  // From here on there may be a lab to take down.
  const stop = stopRequest();
  let lab: DemoLab;
  try {
    lab = values.replay === true ? replay() : await bringUp(stop.signal, encap);
  } catch (error) {
    await labDown();
    if (stop.signal.aborted) return 0;
    throw error;
  }
  stop.end();
  const abort = new AbortController();
  let traffic: Promise<unknown> = Promise.resolve();
  const isUp = lab.lack === null;
  try {
    return await runObserving('demo', [JSON.stringify(lab), ...args], {
      keepsPrivileges: true,
      onBegun: (error) => {
        if (error === null) traffic = generate(abort.signal);
      },
    });
  } finally {
    abort.abort();
    await traffic;
    if (isUp) await labDown();
  }
}

function replay(): DemoLab {
  const lack = { code: 'DEMO_REPLAY', message: 'a recording was asked for', remedy: '' };
  return { netns: [], lack };
}

async function bringUp(signal: AbortSignal, encap: LabUpOptions['encap']): Promise<DemoLab> {
  log.info('lab', 'bringing up the lab …');
  try {
    const { netns } = await labUp({ signal, ...(encap === undefined ? {} : { encap }) }, (line) =>
      log.info('lab', line),
    );
    return { netns: netns.map(({ name }) => name), lack: null };
  } catch (error) {
    if (signal.aborted || !(error instanceof UnsupportedError)) throw error;
    const { code, message, remedy } = error;
    return { netns: [], lack: { code, message, remedy } };
  }
}

async function generate(signal: AbortSignal): Promise<void> {
  try {
    await labTraffic({}, signal);
  } catch (error) {
    if (!signal.aborted) log.warn('traffic-stopped', `traffic has stopped: ${String(error)}`);
  }
}
