import { useEffect, useState } from 'preact/hooks';

export type Route =
  | { page: 'worklist' }
  | { page: 'study'; uid: string }
  | { page: 'bench'; name: string | null }
  | { page: 'models'; name: string | null }
  | { page: 'audit' }
  | { page: 'unknown' };

const decode = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};

export function route(path: string): Route {
  const [first, second, ...rest] = path.split('/').filter(Boolean).map(decode);
  if (rest.length > 0) return { page: 'unknown' };
  switch (first) {
    case undefined:
      return { page: 'worklist' };
    case 'study':
      return second ? { page: 'study', uid: second } : { page: 'unknown' };
    case 'bench':
      return { page: 'bench', name: second ?? null };
    case 'models':
      return { page: 'models', name: second ?? null };
    case 'audit':
      return second ? { page: 'unknown' } : { page: 'audit' };
    default:
      return { page: 'unknown' };
  }
}

export const studyPath = (uid: string): string => `/study/${encodeURIComponent(uid)}`;

export interface Where {
  path: string;
  search: string;
}
const here = (): Where => ({ path: location.pathname, search: location.search });
const watchers = new Set<() => void>();
const changed = (): void => watchers.forEach((w) => w());

export function go(to: string, replace = false): void {
  if (replace) history.replaceState(null, '', to);
  else history.pushState(null, '', to);
  changed();
}

export function useWhere(): Where {
  const [where, set] = useState(here);
  useEffect(() => {
    const update = (): void => set(here());
    watchers.add(update);
    addEventListener('popstate', update);
    return () => {
      watchers.delete(update);
      removeEventListener('popstate', update);
    };
  }, []);
  return where;
}

/** Follows links within the application without loading the page again; modified clicks stay the browser's. */
export function followLinks(e: MouseEvent): void {
  if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  const a = (e.target as Element | null)?.closest?.('a[href]') as HTMLAnchorElement | null;
  if (!a || a.target || a.hasAttribute('download') || a.origin !== location.origin) return;
  if (/^\/(api|dicom-web|healthz|assets)(\/|$)/.test(a.pathname) || a.getAttribute('href')!.startsWith('#')) return;
  e.preventDefault();
  go(a.pathname + a.search);
}
