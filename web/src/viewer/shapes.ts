import type { EditedRegion, Shape } from '../api/types';
import type { Size, XY } from './view';

export type Corner = XY;
type Drawn = Pick<EditedRegion, 'rect' | 'polygon'>;

export function corners(r: Drawn): Corner[] {
  if (r.polygon && r.polygon.length > 0) return r.polygon.map(([x, y]) => ({ x, y }));
  if (!r.rect) return [];
  const { x, y, width, height } = r.rect;
  return [
    { x, y },
    { x: x + width, y },
    { x: x + width, y: y + height },
    { x, y: y + height },
  ];
}

export function area(r: Drawn): number {
  const c = corners(r);
  return (
    Math.abs(
      c.reduce((sum, p, i) => {
        const q = c[(i + 1) % c.length]!;
        return sum + p.x * q.y - q.x * p.y;
      }, 0),
    ) / 2
  );
}

export function contains(r: Drawn, p: XY): boolean {
  const c = corners(r);
  let inside = false;
  for (let i = 0, j = c.length - 1; i < c.length; j = i++) {
    const a = c[i]!,
      b = c[j]!;
    if (a.y > p.y !== b.y > p.y && p.x < ((b.x - a.x) * (p.y - a.y)) / (b.y - a.y) + a.x) inside = !inside;
  }
  return inside;
}

/** The region a click means: the smallest under it; clicking again goes to the next larger one. */
export function hit(regions: EditedRegion[], p: XY, current: string | null): EditedRegion | null {
  const under = regions.filter((r) => contains(r, p)).sort((a, b) => area(a) - area(b));
  const at = under.findIndex((r) => r.id === current);
  return under[(at + 1) % Math.max(1, under.length)] ?? null;
}

const clamp = (v: number, high: number): number => Math.min(high, Math.max(0, v));

export function boxOf(a: XY, b: XY, image: Size): { x: number; y: number; width: number; height: number } {
  const x0 = clamp(Math.min(a.x, b.x), image.width),
    x1 = clamp(Math.max(a.x, b.x), image.width);
  const y0 = clamp(Math.min(a.y, b.y), image.height),
    y1 = clamp(Math.max(a.y, b.y), image.height);
  return { x: round(x0), y: round(y0), width: round(x1 - x0), height: round(y1 - y0) };
}

export const round = (v: number): number => Math.round(v * 100) / 100;
export const inside = (p: XY, image: Size): [number, number] => [round(clamp(p.x, image.width)), round(clamp(p.y, image.height))];

/** The shape after corner `at` was dragged to `to`; a box keeps its opposite corner. */
export function dragged(r: Drawn, at: number, to: XY, image: Size): Shape {
  const c = corners(r);
  if (r.polygon) return { polygon: c.map((p, i) => inside(i === at ? to : p, image)) };
  return { rect: boxOf(c[(at + 2) % 4] ?? to, to, image) };
}
