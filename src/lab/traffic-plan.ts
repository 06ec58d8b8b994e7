/**
 * The mix that lab traffic makes: who sends what to whom, how often, and whether an
 * answer is to be expected. Gentle on purpose: a few dozen packets a second.
 */
import {
  CLIENT,
  HTTP_PORT,
  type LabService,
  NODES,
  podNamed,
  SERVICES,
  UDP_ECHO_PORT,
  UNASSIGNED_IP,
} from './topology.js';

/** `either`: which endpoint is picked, and so whether it answers, is left to chance. */
export type Expectation = 'answer' | 'silence' | 'either';

interface ActivityBase {
  readonly name: string;
  /** Between one try and the next, ms. */
  readonly everyMs: number;
  readonly expect: Expectation;
}

export type Activity =
  | (ActivityBase & { readonly kind: 'ping'; readonly host: string })
  | (ActivityBase & {
      readonly kind: 'http';
      readonly host: string;
      readonly port: number;
      readonly path: string;
      /** One connection for all requests, or a new one for each. */
      readonly keepAlive: boolean;
    })
  | (ActivityBase & {
      readonly kind: 'udp';
      readonly host: string;
      readonly port: number;
      /** Payload, bytes. */
      readonly size: number;
    });

/** How long silence is listened to; two SYN retransmissions fit (RFC 6298: 1 s, then 2 s). */
const SILENCE_MS = 3_500;
/** How long an answer that must come is waited for: an emulated machine is slow. */
const ANSWER_MS = 10_000;

export function answerTimeoutMs(activity: Activity): number {
  return activity.expect === 'answer' ? ANSWER_MS : SILENCE_MS;
}

export interface AgentPlan {
  readonly netns: string;
  readonly once: boolean;
  readonly activities: readonly Activity[];
}

/** What an agent says of each try, one JSON object a line. */
export interface AgentMessage {
  readonly activity: number;
  readonly answered: boolean;
  /** Payload bytes received. */
  readonly bytes: number;
}

const BULK_BYTES = 1 << 20;

export interface TrafficShape {
  readonly policy: boolean;
  readonly dualStack: boolean;
}

/** One plan for each namespace that sends. */
export function trafficPlans(shape: TrafficShape, once: boolean): AgentPlan[] {
  // Under the policy only TCP 80 from pod1, and a node's own processes, reach the pods.
  const denied = shape.policy ? 'silence' : 'answer';
  const chance = shape.policy ? 'either' : 'answer';
  const pod2 = podNamed('pod2');
  const pod3 = podNamed('pod3');
  const [node111, node112] = NODES.map((node) => node.wan.ip);
  if (node111 === undefined || node112 === undefined) throw new RangeError('two nodes expected');

  const pod1: Activity[] = [
    ping('ping pod2', pod2.ip, 1000, denied),
    ping('ping pod3', pod3.ip, 1000, denied),
    web('service', service('nginx-service'), 500, 'answer'),
    { ...web('service, kept open', service('nginx-pod3'), 400, 'answer'), keepAlive: true },
    { ...web('bulk over service', service('nginx-pod3'), 3000, 'answer'), path: bulkPath() },
    udp('udp pod2', pod2.ip, 500, denied),
    udp('udp pod3', pod3.ip, 500, denied),
    ping('ping an unassigned address', UNASSIGNED_IP, 2000, 'silence'),
  ];
  if (shape.dualStack) {
    pod1.push(
      ping('ping pod2 over IPv6', pod2.ip6, 1000, denied),
      ping('ping pod3 over IPv6', pod3.ip6, 1000, denied),
      {
        ...web('service over IPv6', service('nginx-service'), 1000, 'answer'),
        host: service('nginx-service').clusterIp6,
      },
    );
  }
  return [
    { netns: 'pod1', activities: pod1 },
    {
      netns: 'pod2',
      activities: [http('pod3, not from pod1', pod3.ip, HTTP_PORT, 3000, denied)],
    },
    {
      netns: 'node111',
      activities: [
        web('service', service('nginx-service'), 1000, chance),
        ping('ping pod3', pod3.ip, 1000, denied),
      ],
    },
    {
      netns: CLIENT.netns,
      activities: [
        nodePort('node port', service('nginx-service'), node111, 1000, chance),
        nodePort('local node port', service('nginx-local'), node111, 1500, denied),
        nodePort('ingress proxy', service('ingress'), node111, 1500, denied),
        nodePort('node port without endpoint', service('nginx-local'), node112, 5000, 'silence'),
      ],
    },
  ].map((plan) => ({ ...plan, once }));
}

function bulkPath(): string {
  return `/bulk?bytes=${BULK_BYTES}`;
}

function service(name: string): LabService {
  const found = SERVICES.find((candidate) => candidate.name === name);
  if (found === undefined) throw new RangeError(`no service ${name}`);
  return found;
}

type HttpActivity = Extract<Activity, { kind: 'http' }>;

function http(
  name: string,
  host: string,
  port: number,
  everyMs: number,
  expect: Expectation,
): HttpActivity {
  return { kind: 'http', name, host, port, path: '/', keepAlive: false, everyMs, expect };
}

function web(name: string, to: LabService, everyMs: number, expect: Expectation): HttpActivity {
  return http(name, to.clusterIp, to.port, everyMs, expect);
}

function nodePort(
  name: string,
  to: LabService,
  node: string,
  everyMs: number,
  expect: Expectation,
): HttpActivity {
  return http(name, node, to.nodePort, everyMs, expect);
}

function ping(name: string, host: string, everyMs: number, expect: Expectation): Activity {
  return { kind: 'ping', name, host, everyMs, expect };
}

function udp(name: string, host: string, everyMs: number, expect: Expectation): Activity {
  return { kind: 'udp', name, host, port: UDP_ECHO_PORT, size: 256, everyMs, expect };
}
