import { parseArgs } from 'node:util';
import { jsonLine, printableRecord } from '../export/printable.js';
import { log } from '../logger.js';
import { UsageError } from '../model/errors.js';
import { blockers, diagnose } from './diagnose.js';
import { renderDiagnosis } from './render.js';

const HELP = `hopscope doctor [--json]

What this machine's kernel and privileges allow hopscope to see, what is missing,
what follows from that and what to do about it. Changes nothing.

  --json   one JSON object on standard output
  --help   this text

Exit status: 0 packets can be traced, 3 they cannot (the reason and the remedy are
on standard error), 2 bad usage.
`;

/**
 * The `doctor` command.
 *
 * @returns the exit status: 0 when packets can be traced here, 3 when not
 * @throws {UsageError} `USAGE` for an option it does not have
 */
export async function runDoctor(args: string[]): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const diagnosis = await diagnose();
  process.stdout.write(
    options.json ? `${jsonLine(diagnosis)}\n` : renderDiagnosis(printableRecord(diagnosis)),
  );
  for (const each of blockers(diagnosis.findings)) {
    const detail = each.detail === null ? '' : ` (${each.detail})`;
    const what = `cannot trace: ${each.title}${detail}; ${each.remedy ?? 'no remedy known'}`;
    log.error('cannot-trace', what, { fields: { finding: each.id, remedy: each.remedy } });
  }
  return diagnosis.canTrace ? 0 : 3;
}

function parseOptions(args: string[]): { readonly json: boolean; readonly help: boolean } {
  try {
    const { values } = parseArgs({
      args,
      options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
    return { json: values.json ?? false, help: values.help ?? false };
  } catch (error) {
    throw new UsageError('USAGE', error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}
