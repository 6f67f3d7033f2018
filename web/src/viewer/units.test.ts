import { describe, expect, it } from 'vitest';
import { lengthOf } from './units';

const a = { x: 0, y: 0 },
  b = { x: 30, y: 40 };

describe('lengths', () => {
  it('are pixels where no spacing is known', () => expect(lengthOf(a, b, null)).toEqual({ value: 50, unit: 'pixel' }));
  it('are millimetres at the detector for imager spacing', () =>
    expect(lengthOf(a, b, { row_mm: 0.2, col_mm: 0.2, kind: 'imager' })).toEqual({ value: 10, unit: 'mm_detector' }));
  it('use the spacing between rows for the vertical part', () =>
    expect(lengthOf(a, b, { row_mm: 2, col_mm: 1, kind: 'calibrated' })).toEqual({ value: Math.hypot(30, 80), unit: 'mm' }));
  it('do not trust a spacing of zero', () => expect(lengthOf(a, b, { row_mm: 0, col_mm: 1, kind: 'pixel' }).unit).toBe('pixel'));
});
