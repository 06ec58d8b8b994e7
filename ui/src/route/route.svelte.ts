import { createContext } from 'svelte';

export interface Route {
  /** `['flows']` or `['flow', id]`. */
  readonly segments: readonly string[];
  readonly params: Readonly<Record<string, string>>;
}

/** Parameters of what one view shows: another one does not take them over. */
const VIEW_PARAMS: readonly string[] = ['dir', 'packet', 'hooks'];

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s, 2);
  const segments = path
    .split('/')
    .filter((segment) => segment !== '')
    .map(decode);
  return { segments, params: Object.fromEntries(new URLSearchParams(query)) };
}

function formatRoute(route: Route): string {
  const query = new URLSearchParams(
    Object.entries(route.params).filter(([, value]) => value !== ''),
  ).toString();
  return `#/${route.segments.map(encodeURIComponent).join('/')}${query === '' ? '' : `?${query}`}`;
}

/**
 * The address after `#`: which view, and in the query what filters and orders it.
 * Parameters stay when the view changes, so that going back finds them.
 */
export class Router {
  route = $state.raw<Route>(parseRoute(location.hash));

  constructor() {
    window.addEventListener('hashchange', () => {
      this.route = parseRoute(location.hash);
    });
  }

  param(name: string): string {
    return this.route.params[name] ?? '';
  }

  href(segments: readonly string[], changes: Readonly<Record<string, string>> = {}): string {
    const isSame = segments.join('/') === this.route.segments.join('/');
    const kept = Object.entries(this.route.params).filter(
      ([name]) => isSame || !VIEW_PARAMS.includes(name),
    );
    return formatRoute({ segments, params: { ...Object.fromEntries(kept), ...changes } });
  }

  /** A new entry of the browser's history. */
  go(segments: readonly string[]): void {
    location.hash = this.href(segments);
  }

  /** Replaces parameters without an entry for every keystroke. */
  setParams(changes: Readonly<Record<string, string>>): void {
    this.route = {
      segments: this.route.segments,
      params: { ...this.route.params, ...changes },
    };
    history.replaceState(history.state, '', formatRoute(this.route));
  }
}

export const [getRouter, setRouter] = createContext<Router>();
