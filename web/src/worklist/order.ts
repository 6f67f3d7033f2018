import type { Item } from '../api/types';

// The order of the list last seen, so that the reading page can go to the next study.
let order: string[] = [];

export const rememberOrder = (items: Item[]): void => {
  if (items.length) order = items.map((i) => i.study_uid);
};

export function neighbour(uid: string, step: number): string | null {
  const i = order.indexOf(uid);
  return i < 0 ? null : (order[i + step] ?? null);
}
