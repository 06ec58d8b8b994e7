import { arch, release } from 'node:os';
import { type Diagnosis, type Finding, missingSentence } from './diagnosis.js';
import { examineDevices } from './examine-devices.js';
import { examineKernel, type KernelExamination } from './examine-kernel.js';
import { examineMemory } from './examine-memory.js';
import { examineNames } from './examine-names.js';
import { examineOpenFiles } from './examine-open-files.js';
import { examinePrivileges } from './examine-privileges.js';
import { examineTools } from './examine-tools.js';
import { readPrivileges } from './privileges.js';

/**
 * Everything this machine and these privileges allow or lack. Takes well under a
 * second, needs no privileges itself, and leaves the machine as it was.
 */
export async function diagnose(): Promise<Diagnosis> {
  const tracing = await examineTracing();
  const [devices, tools, names] = await Promise.all([
    examineDevices(),
    examineTools(),
    examineNames(),
  ]);
  return summarize([...tracing.findings, ...devices, ...tools, ...names], {
    kernel: release(),
    machine: arch(),
    node: process.version,
    libbpf: tracing.libbpf,
  });
}

/** What tracing lacks here, in sentences; touches no device and starts no tool. */
export async function missingForTracing(): Promise<readonly string[]> {
  return missing((await examineTracing()).findings);
}

/** What tracing rests on: privileges, limits, the kernel. */
export async function examineTracing(): Promise<KernelExamination> {
  const privileges = await readPrivileges();
  const allowed = examinePrivileges(privileges);
  const limits = [await examineOpenFiles(), ...(await examineMemory())];
  const kernel = await examineKernel(privileges, blockers(allowed).length === 0);
  return { findings: [...allowed, ...limits, ...kernel.findings], libbpf: kernel.libbpf };
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
