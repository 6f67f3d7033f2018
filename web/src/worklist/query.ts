import type { Item, StudyState } from '../api/types';

export type SortKey = 'priority' | 'date' | 'patient' | 'state' | 'age' | 'uncertainty';
export const SORTS: SortKey[] = ['priority', 'date', 'patient', 'state', 'age', 'uncertainty'];
export const PAGE = 100;

export interface Query {
  q: string;
  state: StudyState | '';
  finding: string;
  sort: SortKey;
  order: 'asc' | 'desc';
  offset: number;
}

/** The order in which a column is asked for first: most urgent, newest and least sure on top. */
export const firstOrder = (sort: SortKey): Query['order'] => (sort === 'patient' || sort === 'state' ? 'asc' : 'desc');

export function parse(search: string): Query {
  const p = new URLSearchParams(search);
  const sort = SORTS.find((s) => s === p.get('sort')) ?? 'priority';
  const state = (['waiting', 'reading', 'read', 'failed'] as const).find((s) => s === p.get('state')) ?? '';
  const order = p.get('order');
  return {
    q: p.get('q') ?? '',
    state,
    finding: p.get('finding') ?? '',
    sort,
    order: order === 'asc' || order === 'desc' ? order : firstOrder(sort),
    offset: Math.max(0, Math.floor(Number(p.get('offset')) || 0)),
  };
}

/** For the address bar: only what differs from the default, so that a link stays readable. */
export function format(query: Query): string {
  const p = new URLSearchParams();
  if (query.q) p.set('q', query.q);
  if (query.state) p.set('state', query.state);
  if (query.finding) p.set('finding', query.finding);
  if (query.sort !== 'priority') p.set('sort', query.sort);
  if (query.order !== firstOrder(query.sort)) p.set('order', query.order);
  if (query.offset) p.set('offset', String(query.offset));
  const s = p.toString();
  return s ? `?${s}` : '';
}

export function toServer(query: Query): URLSearchParams {
  const p = new URLSearchParams({ sort: query.sort, order: query.order, offset: String(query.offset), limit: String(PAGE) });
  if (query.q) p.set('q', query.q);
  if (query.state) p.set('state', query.state);
  if (query.finding) p.set('finding', query.finding);
  return p;
}

export function sortBy(query: Query, sort: SortKey): Query {
  const order = query.sort === sort ? (query.order === 'asc' ? 'desc' : 'asc') : firstOrder(sort);
  return { ...query, sort, order, offset: 0 };
}

/** Position after moving by `step`, within the rows. */
export const moved = (at: number, step: number, count: number): number => (count === 0 ? -1 : Math.min(count - 1, Math.max(0, at + step)));

export const needsLook = (item: Item): boolean => item.state === 'failed' || item.gate?.analysable === false;
