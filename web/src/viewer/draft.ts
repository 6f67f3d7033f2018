// What is being drawn, by a pointer or by a cross that the arrow keys move. Plain numbers and no page, so that it is tested without a browser.

import type { Shape } from '../api/types';
import type { Size, XY } from './view';

export type Tool = 'window' | 'zoom' | 'pan' | 'length' | 'box' | 'polygon' | 'auto';

export type Draft =
  | { kind: 'line' | 'box' | 'auto'; from: XY; to: XY }
  | { kind: 'polygon'; points: XY[]; to: XY }
  | { kind: 'reshape'; id: string; shape: Shape }
  | null;

export const draws = (tool: Tool): tool is 'length' | 'box' | 'polygon' | 'auto' =>
  tool === 'length' || tool === 'box' || tool === 'polygon' || tool === 'auto';

// Screen pixels of a step, and of a fine one.
const STEP = 10,
  FINE = 1;
const WAYS: Record<string, XY> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

/** Where the cross is after an arrow key, on the image; null for any other key. `scale` is screen pixels an image pixel. */
export function stepped(at: XY, key: string, fine: boolean, scale: number, image: Size): XY | null {
  const way = WAYS[key];
  if (!way) return null;
  const step = (fine ? FINE : STEP) / (scale > 0 ? scale : 1);
  const within = (v: number, high: number): number => Math.min(high, Math.max(0, v));
  return { x: within(at.x + way.x * step, image.width), y: within(at.y + way.y * step, image.height) };
}

/** The draft with its loose end at the cross. */
export const followed = (draft: Draft, at: XY): Draft => (draft && draft.kind !== 'reshape' ? { ...draft, to: at } : draft);

/** The draft after a corner was set at the cross, and whether it is complete: a polygon is closed by setting its last corner twice. */
export function cornered(tool: Tool, draft: Draft, at: XY): { draft: Draft; complete: boolean } {
  if (tool === 'polygon') {
    const points = draft?.kind === 'polygon' ? draft.points : [],
      last = points.at(-1);
    if (last && Math.hypot(at.x - last.x, at.y - last.y) < 0.5) return { draft, complete: points.length >= 3 };
    return { draft: { kind: 'polygon', points: [...points, at], to: at }, complete: false };
  }
  if (!draws(tool)) return { draft, complete: false };
  const kind = tool === 'length' ? 'line' : tool;
  if (draft?.kind === kind && 'from' in draft) return { draft: { ...draft, to: at }, complete: true };
  return { draft: { kind, from: at, to: at }, complete: false };
}
