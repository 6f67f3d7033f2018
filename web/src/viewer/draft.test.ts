import { describe, expect, it } from 'vitest';
import { cornered, followed, stepped, type Draft } from './draft';

const image = { width: 100, height: 80 };

describe('drawing by keyboard', () => {
  it('moves the cross by steps of the screen and keeps it on the image', () => {
    expect(stepped({ x: 50, y: 40 }, 'ArrowRight', false, 2, image)).toEqual({ x: 55, y: 40 });
    expect(stepped({ x: 50, y: 40 }, 'ArrowUp', true, 0.5, image)).toEqual({ x: 50, y: 38 });
    expect(stepped({ x: 2, y: 40 }, 'ArrowLeft', false, 1, image)).toEqual({ x: 0, y: 40 });
    expect(stepped({ x: 2, y: 79 }, 'ArrowDown', false, 1, image)).toEqual({ x: 2, y: 80 });
    expect(stepped({ x: 2, y: 79 }, 'a', false, 1, image)).toBeNull();
  });

  it('a box has two corners', () => {
    const first = cornered('box', null, { x: 10, y: 10 });
    expect(first).toEqual({ draft: { kind: 'box', from: { x: 10, y: 10 }, to: { x: 10, y: 10 } }, complete: false });
    const moved = followed(first.draft, { x: 30, y: 40 });
    expect(cornered('box', moved, { x: 30, y: 40 })).toEqual({
      draft: { kind: 'box', from: { x: 10, y: 10 }, to: { x: 30, y: 40 } },
      complete: true,
    });
    // A line of another tool is no first corner of a box.
    expect(cornered('box', { kind: 'line', from: { x: 1, y: 1 }, to: { x: 2, y: 2 } }, { x: 5, y: 5 }).complete).toBe(false);
  });

  it('a polygon is closed by its last corner, set twice, and needs three', () => {
    const corners = [
      { x: 10, y: 10 },
      { x: 30, y: 10 },
      { x: 30, y: 30 },
    ];
    let draft: Draft = null;
    for (const [i, at] of corners.entries()) {
      draft = cornered('polygon', followed(draft, at), at).draft;
      expect(draft).toMatchObject({ kind: 'polygon' });
      const again = cornered('polygon', draft, at);
      expect(again).toEqual({ draft, complete: i === 2 });
    }
    expect(draft).toMatchObject({ points: corners });
  });

  it('nothing is drawn with a tool that draws nothing', () => {
    expect(cornered('pan', null, { x: 1, y: 1 })).toEqual({ draft: null, complete: false });
  });
});
