import type { Component } from 'svelte';
import DropsView from '../drops/drops-view.svelte';
import FlowPage from '../flow/flow-page.svelte';
import GroupsView from '../group/groups-view.svelte';
import MtuView from '../mtu/mtu-view.svelte';
import OverviewView from '../overview/overview-view.svelte';
import type { Dashboard } from '../store/dashboard.svelte.js';
import { shortService } from '../table/flow-label.js';
import FlowsView from '../table/flows-view.svelte';

type Params = Record<string, string>;

/** A view is what one kind of address shows. Add one here to have it. */
export interface View {
  readonly name: string;
  /** The parameters when the address is this view's, else `null`. */
  readonly match: (segments: readonly string[]) => Params | null;
  readonly title: (params: Params, dashboard: Dashboard) => string;
  readonly component: Component<Params>;
}

const FLOWS: View = {
  name: 'flows',
  match: ([first]) => (first === undefined || first === 'flows' ? {} : null),
  title: () => 'Flows',
  component: FlowsView as Component<Params>,
};

const VIEWS: readonly View[] = [
  FLOWS,
  {
    name: 'overview',
    match: ([first]) => (first === 'overview' ? {} : null),
    title: () => 'Overview',
    component: OverviewView as Component<Params>,
  },
  {
    name: 'groups',
    match: ([first]) => (first === 'groups' ? {} : null),
    title: () => 'Groups',
    component: GroupsView as Component<Params>,
  },
  {
    name: 'drops',
    match: ([first]) => (first === 'drops' ? {} : null),
    title: () => 'Drops',
    component: DropsView as Component<Params>,
  },
  {
    name: 'mtu',
    match: ([first]) => (first === 'mtu' ? {} : null),
    title: () => 'Encapsulation and MTU',
    component: MtuView as Component<Params>,
  },
  {
    name: 'flow',
    match: ([first, id]) => (first === 'flow' && id !== undefined ? { id } : null),
    title: (_params, dashboard) => {
      const flow = dashboard.detail?.flow;
      if (flow === null || flow === undefined) return 'Flow';
      const target =
        flow.service === null ? (flow.dst.name ?? flow.original.dst) : shortService(flow.service);
      return `${flow.src.name ?? flow.original.src} → ${target}`;
    },
    component: FlowPage as unknown as Component<Params>,
  },
];

/** An address that is no view's shows the flows. */
export function findView(segments: readonly string[]): { view: View; params: Params } {
  for (const view of VIEWS) {
    const params = view.match(segments);
    if (params !== null) return { view, params };
  }
  return { view: FLOWS, params: {} };
}
