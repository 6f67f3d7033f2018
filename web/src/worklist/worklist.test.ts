import { describe, expect, it } from 'vitest';
import { batches, shares } from './batches';
import { format, moved, parse, sortBy, toServer } from './query';

describe('the question to the work list', () => {
  it('survives the address bar', () => {
    const q = {
      q: 'müller & co',
      state: 'read' as const,
      finding: 'nodule',
      sort: 'patient' as const,
      order: 'desc' as const,
      offset: 100,
    };
    expect(parse(format(q))).toEqual(q);
  });
  it('is short when it is the usual one', () => expect(format(parse(''))).toBe(''));
  it('takes nothing it does not know', () =>
    expect(parse('?sort=constructor&state=dead&order=up&offset=-5')).toEqual({
      q: '',
      state: '',
      finding: '',
      sort: 'priority',
      order: 'desc',
      offset: 0,
    }));
  it('asks for a page', () => expect(toServer(parse('?q=a')).toString()).toBe('sort=priority&order=desc&offset=0&limit=100&q=a'));
  it('turns the order on a second click, and starts again from the top', () => {
    const once = sortBy(parse('?offset=200'), 'patient');
    expect([once.sort, once.order, once.offset]).toEqual(['patient', 'asc', 0]);
    expect(sortBy(once, 'patient').order).toBe('desc');
  });
  it('moves within its rows', () => expect([moved(0, -1, 3), moved(2, 1, 3), moved(0, 1, 3), moved(0, 1, 0)]).toEqual([0, 2, 1, -1]));
});

describe('uploads', () => {
  const file = (size: number) => ({ size });
  it('go in batches, none lost and none twice', () => {
    const files = Array.from({ length: 1000 }, (_, i) => ({ size: (i % 7) * 1e6 }));
    const b = batches(files);
    expect(b.flat()).toEqual(files);
    expect(Math.max(...b.map((x) => x.length))).toBeLessThanOrEqual(20);
  });
  it('send what is larger than a batch alone', () =>
    expect(batches([file(10), file(1e9), file(10)], 20, 100).map((b) => b.length)).toEqual([1, 1, 1]));
  it('share progress in the order of the body', () => expect(shares([100, 100, 100], 150)).toEqual([1, 0.5, 0]));
  it('do not divide by an empty file', () => expect(shares([0, 10], 5)).toEqual([1, 0.5]));
});
