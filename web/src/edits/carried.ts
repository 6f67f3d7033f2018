import type { FindingSet, Op } from '../api/types';

/**
 * What a change that was made of an earlier reading is on the one of now; null when it is about words or places that may be gone.
 * Accepting and rejecting are about an answer that the program may not give any more: what the reader meant is kept as an answer.
 */
export function carried(op: Op, meant: FindingSet | null): Op | null {
  switch (op.type) {
    case 'finding':
      return meant && { type: 'finding', code: op.code, decision: 'change', set: meant };
    case 'region_remove':
    case 'region_change':
      return op.region.startsWith('reader/') ? op : null;
    case 'sentence':
    case 'sentence_remove':
      return null;
    default:
      return op;
  }
}

/** The same for what waits to be sent. */
export function onto<P extends { op: Op; meant: FindingSet | null; reading: string | null }>(p: P, reading: string | null): P[] {
  const op = carried(p.op, p.meant);
  return op ? [{ ...p, op, reading }] : [];
}
