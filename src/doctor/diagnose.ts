import { arch, release } from 'node:os';
import { type Diagnosis, type Finding, missingSentence } from './diagnosis.js';
import { examineDevices } from './examine-devices.js';
import { examineKernel } from './examine-kernel.js';
import { examineMemory } from './examine-memory.js';
import { examinePrivileges } from './examine-privileges.js';
import { examineTools } from './examine-tools.js';

/**
 * Everything this machine and these privileges allow or lack. Takes well under a
 * second, needs no privileges itself, and leaves the machine as it was.
 */
export async function diagnose(): Promise<Diagnosis> {
  const privileges = await examinePrivileges();
  const [kernel, memory, devices, tools] = await Promise.all([
    examineKernel(blockers(privileges).length === 0),
    examineMemory(),
    examineDevices(),
    examineTools(),
  ]);
  return summarize([...privileges, ...kernel.findings, ...memory, ...devices, ...tools], {
    kernel: release(),
    machine: arch(),
    node: process.version,
    libbpf: kernel.libbpf,
  });
}

/** What tracing lacks here, in sentences; touches no device and starts no tool. */
export async function missingForTracing(): Promise<readonly string[]> {
  const privileges = await examinePrivileges();
  const kernel = await examineKernel(blockers(privileges).length === 0);
  return missing([...privileges, ...kernel.findings, ...(await examineMemory())]);
}

/** What follows from the findings. */
export function summarize(
  findings: readonly Finding[],
  machine: Pick<Diagnosis, 'kernel' | 'machine' | 'node' | 'libbpf'>,
): Diagnosis {
  return {
    type: 'doctor',
    canTrace: blockers(findings).length === 0,
    ...machine,
    findings,
    missing: missing(findings),
  };
}

function missing(findings: readonly Finding[]): string[] {
  return findings
    .filter((each) => each.need !== 'optional' && each.state === 'absent')
    .map(missingSentence);
}

/** What stands in the way of tracing. What could not be found out does not. */
export function blockers(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter((each) => each.need === 'required' && each.state === 'absent');
}
