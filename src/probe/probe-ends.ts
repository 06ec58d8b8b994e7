import { UsageError } from '../model/errors.js';
import type { Catalog } from '../name/catalog.js';
import {
  addressText,
  FAMILIES,
  type Family,
  type IpAddress,
  isLinkLocal,
} from '../network/ip-address.js';
import type { Machine, Namespace } from '../network/machine.js';
import { familyOf, parseAddress } from '../rules/address.js';

/** Who may send or receive a probe. */
export interface ProbeEnd {
  /** Null where it is not on this machine. */
  readonly namespace: Namespace | null;
  readonly address: IpAddress;
}

export interface LocalEnd extends ProbeEnd {
  readonly namespace: Namespace;
}

export interface ProbeEnds {
  readonly src: LocalEnd;
  readonly dst: ProbeEnd;
}

/** What an argument stands for before an address of it is chosen. */
interface Named {
  readonly text: string;
  readonly namespace: Namespace | null;
  /** Those that it may have: the first of a family counts. */
  readonly addresses: readonly IpAddress[];
}

export type Names = Pick<Catalog, 'namespaces' | 'endpoints'>;

/**
 * The two ends that a probe is sent between. Each is the name of a pod (`namespace/name` where two
 * have the same), of a namespace or of an endpoint, an address, or both as `NAME@ADDRESS`.
 *
 * @throws UsageError `PROBE_NO_SUCH_NAME`, `PROBE_AMBIGUOUS`, `PROBE_NO_ADDRESS`, `PROBE_NOT_HERE`
 */
export function findProbeEnds(machine: Machine, names: Names, src: string, dst: string): ProbeEnds {
  const from = named(machine, names, src);
  const to = named(machine, names, dst);
  if (from.namespace === null) {
    throw new UsageError(
      'PROBE_NOT_HERE',
      `${src} is not on this machine: nothing can be sent from it`,
    );
  }
  const family = commonFamily(from, to);
  const target = addressOf(to, family);
  return {
    src: { namespace: from.namespace, address: sourceTowards(from, from.namespace, target) },
    dst: { namespace: to.namespace, address: target },
  };
}

function named(machine: Machine, names: Names, text: string): Named {
  const at = text.lastIndexOf('@');
  const address = parsed(at < 0 ? text : text.slice(at + 1));
  if (at >= 0) {
    if (address === null) throw noSuchName(text);
    const found = byName(machine, names, text.slice(0, at));
    const { namespace } = found;
    const isOwn = namespace === null ? has(found.addresses, address) : namespace.owns(address);
    if (!isOwn) {
      throw new UsageError(
        'PROBE_NO_ADDRESS',
        `${found.text} has no address ${addressText(address)}`,
      );
    }
    return { text, namespace, addresses: [address] };
  }
  if (address === null) return byName(machine, names, text);
  const owners = machine.owners(address);
  if (owners.length > 1) {
    const all = owners.map(({ name }) => `${name}@${text}`).join(', ');
    throw new UsageError('PROBE_AMBIGUOUS', `several namespaces have ${text}: give one of ${all}`);
  }
  return { text, namespace: owners[0] ?? null, addresses: [address] };
}

function byName(machine: Machine, names: Names, name: string): Named {
  const found = new Map<Namespace, string>();
  for (const namespace of machine.namespaces) {
    const known = names.namespaces.find(({ netns }) => netns === namespace.netns);
    const full =
      known?.pod?.namespace === undefined ? null : `${known.pod.namespace}/${known.name}`;
    if ([namespace.name, known?.name, full].includes(name)) {
      found.set(namespace, full ?? namespace.name);
    }
  }
  if (found.size > 1) {
    const all = [...found.values()].join(', ');
    throw new UsageError('PROBE_AMBIGUOUS', `several are called ${name}: give one of ${all}`);
  }
  const [namespace] = found.keys();
  if (namespace !== undefined) return { text: name, namespace, addresses: ownAddresses(namespace) };
  const addresses = names.endpoints
    .filter((each) => each.until === undefined)
    .filter((each) => each.name === name || `${each.namespace}/${each.name}` === name)
    .map(({ ip }) => parsed(ip))
    .filter((each) => each !== null);
  const [first] = addresses;
  if (first === undefined) throw noSuchName(name);
  return { text: name, namespace: machine.owners(first)[0] ?? null, addresses };
}

function noSuchName(name: string): UsageError {
  const what = 'no pod, no network namespace and no endpoint of that name';
  return new UsageError('PROBE_NO_SUCH_NAME', `${name} is no address, and there is ${what}`);
}

function parsed(text: string): IpAddress | null {
  const value = parseAddress(text);
  return value === null ? null : { family: familyOf(value), value: BigInt(value) };
}

/** Those that others reach it by. */
function ownAddresses({ description }: Namespace): IpAddress[] {
  const loopback = new Set(
    description.links.filter(({ isLoopback }) => isLoopback).map(({ ifindex }) => ifindex),
  );
  return description.addresses
    .filter(({ ifindex, address }) => !loopback.has(ifindex) && !isLinkLocal(address))
    .map(({ address }) => address);
}

function commonFamily(from: Named, to: Named): Family {
  for (const family of FAMILIES) {
    const both = [from, to].every(({ addresses }) =>
      addresses.some((each) => each.family === family),
    );
    if (both) return family;
  }
  const without = [from, to].find(({ addresses }) => addresses.length === 0);
  const what =
    without === undefined
      ? `${from.text} and ${to.text} have no IP version in common`
      : `${without.text} has no address`;
  throw new UsageError('PROBE_NO_ADDRESS', what);
}

function addressOf({ addresses, text }: Named, family: Family): IpAddress {
  const found = addresses.find((address) => address.family === family);
  if (found !== undefined) return found;
  throw new UsageError('PROBE_NO_ADDRESS', `${text} has no address of IPv${family}`);
}

/** As the kernel would choose it: an address of the device that the route leaves by comes first. */
function sourceTowards(from: Named, namespace: Namespace, target: IpAddress): IpAddress {
  const { family } = target;
  const key = { dst: target, src: null, mark: 0, incoming: 'lo', outgoing: null };
  const leaving = namespace.find(key)?.hop?.ifindex ?? null;
  const own = namespace.description.addresses.find(
    ({ ifindex, address }) =>
      ifindex === leaving && has(from.addresses, address) && address.family === family,
  );
  return own?.address ?? addressOf(from, family);
}

function has(addresses: readonly IpAddress[], { family, value }: IpAddress): boolean {
  return addresses.some((each) => each.family === family && each.value === value);
}
