import type { Edit, Op } from '../api/types';
import type { Conflict } from '../api/client';
import { targetOf } from './apply';

export type Merge =
  /** The others' edits are about something else: send it again on the newer revision. */
  | { kind: 'resend'; base_revision: number }
  /** Somebody already did exactly this. */
  | { kind: 'same'; theirs: Edit }
  /** Both changed the same thing: the reader has to say. */
  | { kind: 'ask'; theirs: Edit[]; base_revision: number };

const same = (a: Op, b: Op): boolean => JSON.stringify(a, Object.keys(a).sort()) === JSON.stringify(b, Object.keys(b).sort());

export function merge(mine: Op, conflict: Conflict): Merge {
  const target = targetOf(mine);
  const undone = new Set(conflict.edits.flatMap((e) => (e.op.type === 'undo' ? [e.op.edit] : [])));
  const theirs = conflict.edits.filter((e) => target !== null && targetOf(e.op) === target && !e.undone_by && !undone.has(e.id));
  const last = theirs[theirs.length - 1];
  if (!last) return { kind: 'resend', base_revision: conflict.revision };
  if (same(mine, last.op)) return { kind: 'same', theirs: last };
  return { kind: 'ask', theirs, base_revision: conflict.revision };
}
