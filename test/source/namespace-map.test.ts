import { BpfObject } from 'ebpf-ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { NamespaceMap } from '../../src/source/namespace-map.js';
import { objectFile } from './tracer-object.js';

const object = BpfObject.open(objectFile('namespace-news'));
const map = () => object.map('known');

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await object.loadAsync();
});
afterAll(() => object.close());

const some = (...numbers: number[]): Map<number, null> => new Map(numbers.map((n) => [n, null]));

/** Which of these the kernel's map holds. */
function held(...numbers: number[]): number[] {
  return numbers.filter((n) => map().get(new Uint8Array(Uint32Array.of(n).buffer)) !== null);
}

it('holds those that are there, and none that went', () => {
  const namespaces = new NamespaceMap(10);
  namespaces.hold(map(), some(1, 2));
  expect(held(1, 2, 3)).toEqual([1, 2]);
  namespaces.hold(map(), some(2, 3));
  expect(held(1, 2, 3)).toEqual([2, 3]);
  namespaces.hold(map(), some());
  expect(held(1, 2, 3)).toEqual([]);
});

it('leaves out what is past its limit, until there is room', () => {
  const namespaces = new NamespaceMap(2);
  namespaces.hold(map(), some(1, 2, 3));
  expect(held(1, 2, 3)).toEqual([1, 2]);
  namespaces.hold(map(), some(2, 3));
  expect(held(1, 2, 3)).toEqual([2, 3]);
});
