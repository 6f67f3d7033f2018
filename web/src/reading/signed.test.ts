import { describe, expect, it } from 'vitest';
import { signedState } from './signed';

describe('a signature', () => {
  const signed = { by: 'anna', at: '2026-01-01T00:00:00Z', revision: 3 };
  it('counts as long as the server says so', () => {
    expect(signedState({ signed, item: { signed: true, revision: 3 } })).toBe('signed');
    expect(signedState({ signed: null, item: { signed: false, revision: 3 } })).toBe('preliminary');
  });
  it('of an earlier revision is old', () => expect(signedState({ signed, item: { signed: false, revision: 4 } })).toBe('changed'));
  it('of a reading that was made again is old, although the revision is the same', () =>
    expect(signedState({ signed, item: { signed: false, revision: 3 } })).toBe('read_again'));
});
