// Millimetres are earned: a length is in mm only where the file gives a spacing, and then says where it holds.
import type { Spacing, Unit } from '../api/types';
import type { XY } from './view';

export interface Length {
  value: number;
  unit: Unit;
}

export function lengthOf(from: XY, to: XY, spacing: Spacing | null): Length {
  const dx = to.x - from.x,
    dy = to.y - from.y;
  if (!spacing || !(spacing.row_mm > 0) || !(spacing.col_mm > 0)) return { value: Math.hypot(dx, dy), unit: 'pixel' };
  // row_mm lies between rows, so it scales the vertical part.
  const value = Math.hypot(dx * spacing.col_mm, dy * spacing.row_mm);
  return { value, unit: spacing.kind === 'imager' ? 'mm_detector' : 'mm' };
}

export const digitsOf = (unit: Unit): number => ({ ratio: 2, pixel: 0, mm_detector: 1, mm: 1, percent: 0 })[unit];
