import { describe, expect, it } from 'vitest';
import { digitsFor, extent, linear, lineOf, pathOf, ticks } from './plots';

describe('plots', () => {
  it('have round ticks within the range', () => {
    expect(ticks(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticks(-0.03, 0.03)).toContain(0);
    expect(ticks(5, 5)).toEqual([5]);
    expect([digitsFor([0, 0.2]), digitsFor([0, 5]), digitsFor([0, 0.005])]).toEqual([1, 0, 3]);
  });
  it('scale, downwards too', () => expect(linear(0, 10, 100, 0)(2.5)).toBe(75));
  it('leave out what is not a number', () =>
    expect(
      pathOf(
        [
          [0, 0],
          [1, NaN],
          [2, 2],
        ],
        (v) => v,
        (v) => v,
      ),
    ).toBe('M0.0 0.0L2.0 2.0'));
  it('have room around their values', () => {
    const [low, high] = extent([0.5, null, 0.7]);
    expect(low).toBeLessThan(0.5);
    expect(high).toBeGreaterThan(0.7);
    expect(extent([])).toEqual([0, 1]);
  });
  it('draw no two lines alike', () => {
    const looks = Array.from({ length: 36 }, (_, i) => lineOf(i, 6, 6)).map((l) => `${l.colour} ${l.dash}`);
    expect(new Set(looks).size).toBe(36);
  });
});
