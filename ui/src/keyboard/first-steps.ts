export interface FirstStep {
  readonly label: string;
  readonly href: string;
  readonly help: string;
}

/** What to try first. Each begins with a link, and says what to do at a terminal where that is needed. */
export const FIRST_STEPS: readonly FirstStep[] = [
  {
    label: 'Find the slowest hop',
    href: '#/flows?q=verdict%3Adelivered&sort=-p99',
    help: 'Open the first flow: the sentence on top names the hop.',
  },
  {
    label: 'Switch the policy on',
    href: '#/drops',
    help: 'hopscope lab policy on, then see which rule drops what, and open a flow.',
  },
  {
    label: 'Break the MTU',
    href: '#/flows?q=mtu%3Ablackhole',
    help: 'ip -n node111 link set ens10 mtu 1400, then send something large; hopscope mtu names the device.',
  },
  {
    label: 'Follow a proxy',
    href: '#/flows?q=service%3Adefault%2Fingress',
    help: 'Open a flow: the chain leads to the connection that the proxy opened for it.',
  },
];
