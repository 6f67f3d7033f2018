import { describe, expect, it } from 'vitest';
import { areaOf, outlines, simplify } from './contour';
import { greys, resample } from './cpu';
import { halve, levelFor, levelsOf } from './levels';
import { hung, pairOf } from './pair';
import { boxOf, contains, corners, dragged, hit } from './shapes';
import { fitted } from './view';
import type { EditedRegion, StudyImage } from '../api/types';

const level = (width: number, height: number, f: (x: number, y: number) => number) => ({
  width,
  height,
  data: Uint16Array.from({ length: width * height }, (_, i) => f(i % width, Math.floor(i / width))),
});

describe('halved copies', () => {
  it('are means of four, with the edge repeated', () => {
    expect([...halve(level(2, 2, (x, y) => 10 * x + 2 * y)).data]).toEqual([6]);
    const odd = halve(level(3, 1, (x) => x * 100));
    expect([odd.width, odd.height, ...odd.data]).toEqual([2, 1, 50, 200]);
    expect([...halve(level(2, 2, () => 65535)).data]).toEqual([65535]);
  });
  it('go down to a size that fits any screen part', () =>
    expect(levelsOf(level(2500, 20, () => 1)).map((l) => l.width)).toEqual([2500, 1250, 625, 313, 157]));
  it('are chosen so that no screen pixel lacks one of the image', () =>
    expect([2, 1, 0.6, 0.5, 0.3, 0.24, 0.01].map((s) => levelFor(s, 4))).toEqual([0, 0, 0, 1, 1, 2, 3]));
});

describe('drawing by the processor', () => {
  it('puts the right pixel in the right place', () => {
    const image = level(2, 2, (x, y) => (x + 2 * y) * 1000),
      view = fitted({ center: 1500, width: 3000 });
    const out = new Int32Array(16),
      table = greys(view, 3000);
    resample(out, { width: 4, height: 4 }, [image], image, view, { width: 4, height: 4 });
    expect([out[0], out[3], out[12], out[15]].map((v) => table[v!]! & 255)).toEqual([0, 85, 170, 255]);
    // Between four pixels: three quarters of the nearer, a quarter of the farther.
    expect(out[5]).toBe(750);
    expect(greys({ ...view, invert: true })[0]! & 255).toBe(255);
  });
  it('is black beside the image', () => {
    const image = level(2, 1, () => 65535),
      out = new Int32Array(16);
    resample(out, { width: 4, height: 4 }, [image], image, fitted({ center: 0, width: 1 }), { width: 4, height: 4 });
    expect([...out]).toEqual([-1, -1, -1, -1, 65535, 65535, 65535, 65535, 65535, 65535, 65535, 65535, -1, -1, -1, -1]);
  });
});

describe('outlines', () => {
  const mask = (rows: string[]) => ({ width: rows[0]!.length, height: rows.length, at: (x: number, y: number) => rows[y]![x] === '#' });
  it('go round each part, holes too', () => {
    const paths = outlines(mask(['#####', '#...#', '#...#', '#####', '.....', '##...']));
    expect(paths.map(areaOf).sort((a, b) => a - b)).toEqual([2, 6, 20]);
  });
  it('keep a rectangle a rectangle', () => {
    const [path] = outlines(mask(['......', '.####.', '.####.', '......']));
    expect(simplify(path!, 0.1)).toHaveLength(4);
    expect(areaOf(simplify(path!, 0.1))).toBe(8);
  });
  it('are none for an empty mask', () => expect(outlines(mask(['..', '..']))).toEqual([]));
});

describe('regions', () => {
  const region = (id: string, x: number, size: number): EditedRegion => ({
    id,
    code: 'nodule',
    image: 0,
    rect: { x, y: 0, width: size, height: size },
    source: 'model',
    by: null,
    removed: false,
  });
  it('are hit smallest first, and in turn', () => {
    const list = [region('big', 0, 100), region('small', 10, 20)];
    expect(hit(list, { x: 15, y: 5 }, null)?.id).toBe('small');
    expect(hit(list, { x: 15, y: 5 }, 'small')?.id).toBe('big');
    expect(hit(list, { x: 15, y: 5 }, 'big')?.id).toBe('small');
    expect(hit(list, { x: 500, y: 5 }, null)).toBeNull();
  });
  it('of polygons are what they enclose', () => {
    const triangle = {
      polygon: [
        [0, 0],
        [10, 0],
        [0, 10],
      ] as [number, number][],
    };
    expect(contains(triangle, { x: 2, y: 2 })).toBe(true);
    expect(contains(triangle, { x: 8, y: 8 })).toBe(false);
  });
  it('stay on the image, whichever way they are drawn', () =>
    expect(boxOf({ x: 50, y: 60 }, { x: -10, y: 900 }, { width: 100, height: 100 })).toEqual({ x: 0, y: 60, width: 50, height: 40 }));
  it('keep the opposite corner while one is dragged', () => {
    const box = region('a', 10, 10);
    expect(dragged(box, 0, { x: 5, y: 4 }, { width: 100, height: 100 })).toEqual({ rect: { x: 5, y: 4, width: 15, height: 6 } });
    expect(corners(box)).toHaveLength(4);
  });
});

describe('pairing with the prior', () => {
  const image = (index: number, view: string) => ({ index, view }) as StudyImage;
  it('takes the same view, then the same kind, and never a lateral for a frontal', () => {
    expect(pairOf({ view: 'pa' }, [image(0, 'ap'), image(1, 'pa')])?.index).toBe(1);
    expect(pairOf({ view: 'pa' }, [image(0, 'lateral'), image(1, 'ap')])?.index).toBe(1);
    expect(pairOf({ view: 'pa' }, [image(0, 'lateral')])).toBeNull();
    expect(pairOf({ view: 'lateral' }, [image(0, 'lateral')])?.index).toBe(0);
  });
  it('hangs frontal images first', () => expect(hung([image(0, 'lateral'), image(1, 'ap')]).map((i) => i.index)).toEqual([1, 0]));
});
