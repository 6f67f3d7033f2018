import { describe, expect, it } from 'vitest';
import { link } from './link';
import { ViewStore } from './store';
import { actualSize, fitScale, fitted, fromLinked, level, panBy, toImage, toLinked, toScreen, windowBy, windowOf, zoomAt } from './view';

const image = { width: 2500, height: 2000 },
  port = { width: 800, height: 600 },
  initial = { center: 2000, width: 1000 };

describe('where an image lies', () => {
  it('fits the whole image', () => {
    expect(fitScale(image, port)).toBeCloseTo(0.3);
    const view = fitted(initial);
    expect(toScreen(view, image, port, { x: 1250, y: 1000 })).toEqual({ x: 400, y: 300 });
    expect(toScreen(view, image, port, { x: 0, y: 0 })).toEqual({ x: 25, y: 0 });
  });
  it('goes to the screen and back', () => {
    const view = { ...fitted(initial), zoom: 3.3, x: 0.2, y: 0.9 };
    const there = toScreen(view, image, port, { x: 321, y: 1654 });
    const back = toImage(view, image, port, there);
    expect(back.x).toBeCloseTo(321);
    expect(back.y).toBeCloseTo(1654);
  });
  it('zooms about the point under the cursor', () => {
    const view = fitted(initial),
      at = { x: 300, y: 200 },
      under = toImage(view, image, port, at);
    const after = toScreen(zoomAt(view, image, port, 2, at), image, port, under);
    expect(after.x).toBeCloseTo(at.x);
    expect(after.y).toBeCloseTo(at.y);
  });
  it('keeps the image in reach, however far it is dragged or zoomed', () => {
    let view = panBy(fitted(initial), image, port, 1e6, -1e6);
    expect([view.x, view.y]).toEqual([0, 1]);
    for (let i = 0; i < 100; i++) view = zoomAt(view, image, port, 2, { x: 0, y: 0 });
    expect(view.zoom).toBe(40);
  });
  it('shows one image pixel as one device pixel', () => {
    const view = actualSize(fitted(initial), image, port, 2);
    expect(view.zoom * fitScale(image, port) * 2).toBeCloseTo(1);
  });
});

describe('the window', () => {
  it('maps its ends to black and white, and inverts', () => {
    const view = fitted(initial);
    expect([level(1500, view), level(2000, view), level(2500, view), level(9999, view)]).toEqual([0, 0.5, 1, 1]);
    expect(level(1500, { ...view, invert: true })).toBe(1);
  });
  it('brightens when dragged up and never loses its width', () => {
    const view = fitted(initial),
      up = windowBy(view, 0, -40, initial);
    expect(level(2000, up)).toBeGreaterThan(level(2000, view));
    expect(windowBy(view, -1e5, 0, initial).window.width).toBe(1);
  });
  it('is taken from a part, and refused for next to nothing', () => {
    const values = Array.from({ length: 100 }, (_, i) => i * 10),
      size = { width: 10, height: 10 };
    const window = windowOf(values, size, { x: 0, y: 0, width: 10, height: 10 })!;
    expect(window.center - window.width / 2).toBeCloseTo(10);
    expect(windowOf(values, size, { x: 0, y: 0, width: 1, height: 1 })).toBeNull();
    expect(windowOf(values, size, { x: 50, y: 50, width: 10, height: 10 })).toBeNull();
  });
});

describe('linked views', () => {
  const other = { center: 500, width: 250 };
  it('share zoom and place, and the window by each image’s own', () => {
    const view = { zoom: 2, x: 0.3, y: 0.4, invert: true, window: { center: 2500, width: 500 } };
    const there = fromLinked(toLinked(view, initial), other);
    expect(there).toEqual({ zoom: 2, x: 0.3, y: 0.4, invert: true, window: { center: 625, width: 125 } });
    expect(fromLinked(toLinked(there, other), initial)).toEqual(view);
  });
  it('follow each other both ways, end, and do not go round', () => {
    const a = { store: new ViewStore(fitted(initial)), initial },
      b = { store: new ViewStore(fitted(other)), initial: other };
    let changes = 0;
    a.store.watch(() => changes++);
    const part = link(a, b);
    a.store.set({ ...a.store.get(), zoom: 4 });
    expect(b.store.get().zoom).toBe(4);
    expect(changes).toBe(1);
    b.store.set({ ...b.store.get(), x: 0.1 });
    expect(a.store.get().x).toBe(0.1);
    part();
    a.store.set({ ...a.store.get(), zoom: 1 });
    expect(b.store.get().zoom).toBe(4);
  });
});
