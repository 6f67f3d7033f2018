import type { Study } from '../api/types';

/**
 * Whether a study is signed, as the server says of the list and of exports too. A signature of an earlier revision, or of a reading that
 * was made again since, counts no more.
 */
export type SignedState = 'preliminary' | 'signed' | 'changed' | 'read_again';

export function signedState({ signed, item }: { signed: Study['signed']; item: Pick<Study['item'], 'signed' | 'revision'> }): SignedState {
  if (!signed) return 'preliminary';
  if (item.signed) return 'signed';
  return signed.revision < item.revision ? 'changed' : 'read_again';
}
