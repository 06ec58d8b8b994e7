import { blockers } from './diagnose.js';
import type { Diagnosis, Finding, FindingArea } from './diagnosis.js';

const AREAS: readonly [FindingArea, string][] = [
  ['privileges', 'Privileges'],
  ['kernel', 'Kernel'],
  ['devices', 'Devices the lab can be built of'],
  ['tools', 'Tools'],
  ['names', 'Names'],
];

const TITLE_WIDTH = 46;

/** The report for people; state is a word, so it reads the same without colour. */
export function renderDiagnosis(diagnosis: Diagnosis): string {
  const lines = [
    `kernel ${diagnosis.kernel} (${diagnosis.machine}), Node ${diagnosis.node}, ` +
      `libbpf ${diagnosis.libbpf ?? 'not there'}`,
  ];
  for (const [area, heading] of AREAS) {
    lines.push('', heading);
    for (const each of diagnosis.findings.filter((one) => one.area === area)) {
      lines.push(...renderFinding(each));
    }
  }
  const blocking = blockers(diagnosis.findings);
  lines.push('');
  if (blocking.length > 0) {
    lines.push(`Packets cannot be traced here: ${blocking.map((each) => each.title).join(', ')}.`);
  } else if (diagnosis.missing.length > 0) {
    lines.push(`Packets can be traced here, with ${diagnosis.missing.length} thing(s) missing.`);
  } else {
    lines.push('Packets can be traced here, with nothing missing.');
  }
  return `${lines.join('\n')}\n`;
}

function renderFinding(each: Finding): string[] {
  const detail = each.detail === null ? '' : `  ${each.detail}`;
  const lines = [`  ${stateWord(each)} ${each.title.padEnd(TITLE_WIDTH)}${detail}`.trimEnd()];
  if (each.consequence !== null) lines.push(`          means: ${each.consequence}`);
  if (each.remedy !== null) lines.push(`         remedy: ${each.remedy}`);
  return lines;
}

function stateWord(each: Finding): string {
  if (each.state === 'available') return 'yes    ';
  if (each.state === 'unknown') return 'unknown';
  return each.need === 'required' ? 'NO     ' : 'no     ';
}
