import { type BpfMap, BpfObject, type NetfilterFamily, type Program } from 'ebpf-ts';
import { HOOK_NAMES } from '../name/netfilter-table.js';
import { type HookDemand, UNKNOWN_PRIORITIES } from './hook-places.js';

/* Of bpf/hook-survey.h; a test compares them with what the kernel says. */
const HOOKS = HOOK_NAMES.length;
const PRIORITIES = 16;
const NAMESPACES_MAX = 4096;
const HOOK_BYTES = 4 + 4 * PRIORITIES;
const SURVEY_BYTES = 4 + 2 * HOOKS * HOOK_BYTES;
const FAMILIES: readonly NetfilterFamily[] = ['ipv4', 'ipv6'];

/** Asks the kernel what is registered at netfilter hooks in all namespaces, but for hopscope's. */
export class HookSurvey {
  readonly #object: BpfObject;
  readonly #program: Program;
  readonly #surveys: BpfMap;

  private constructor(object: BpfObject) {
    this.#object = object;
    this.#program = object.program('survey_hooks');
    this.#surveys = object.map('surveys');
  }

  /**
   * @param objectFile dist/bpf/hook-survey.bpf.o
   * @throws BpfError where the kernel does not take it (before Linux 5.17)
   */
  static async open(objectFile: string): Promise<HookSurvey> {
    const object = BpfObject.open(objectFile);
    try {
      await object.loadAsync();
      return new HookSurvey(object);
    } catch (error) {
      object.close();
      throw error;
    }
  }

  /**
   * Demand by the number of the namespace; one that is absent has nothing at any hook.
   * `null` when there are more namespaces than the survey has room for.
   */
  run(): ReadonlyMap<number, HookDemand> | null {
    const count = this.#program.run().returnValue;
    if (count > NAMESPACES_MAX) return null;
    if (count === 0) return new Map();
    const { values } = this.#surveys.readBatch({ limit: count });
    return parseSurveys(values, count);
  }

  close(): void {
    this.#object.close();
  }
}

/** `count` times struct hs_survey, each padded to 8 bytes or not as `bytes` has room. */
export function parseSurveys(bytes: Uint8Array, count: number): Map<number, HookDemand> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Map<number, HookDemand>();
  for (let row = 0; row < count; row++) {
    const start = row * SURVEY_BYTES;
    const demand: HookDemand = { ipv4: {}, ipv6: {} };
    FAMILIES.forEach((family, familyIndex) => {
      HOOK_NAMES.forEach((hook, hookIndex) => {
        const at = start + 4 + (familyIndex * HOOKS + hookIndex) * HOOK_BYTES;
        const priorities = prioritiesAt(view, at);
        if (priorities === UNKNOWN_PRIORITIES || priorities.length > 0) {
          demand[family][hook] = priorities;
        }
      });
    });
    found.set(view.getUint32(start, true), demand);
  }
  return found;
}

function prioritiesAt(view: DataView, at: number): readonly number[] | typeof UNKNOWN_PRIORITIES {
  const count = view.getUint32(at, true);
  if (count > PRIORITIES) return UNKNOWN_PRIORITIES;
  return Array.from({ length: count }, (_, i) => view.getInt32(at + 4 + 4 * i, true));
}
