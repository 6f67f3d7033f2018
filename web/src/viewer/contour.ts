// Outlines of a mask as closed paths along pixel edges, thinned by Douglas and Peucker's rule.
import type { XY } from './view';

interface Bits {
  width: number;
  height: number;
  at(x: number, y: number): boolean;
}

/** Directed edges with the mask on their left; at a crossing the path turns so that diagonal neighbours stay apart. */
export function outlines(mask: Bits): XY[][] {
  const stride = mask.width + 1;
  const next = new Map<number, number[]>();
  const edge = (x0: number, y0: number, x1: number, y1: number): void => {
    const key = y0 * stride + x0;
    const ends = next.get(key);
    const end = y1 * stride + x1;
    if (ends) ends.push(end);
    else next.set(key, [end]);
  };
  for (let y = 0; y < mask.height; y++) {
    for (let x = 0; x < mask.width; x++) {
      if (!mask.at(x, y)) continue;
      if (y === 0 || !mask.at(x, y - 1)) edge(x + 1, y, x, y);
      if (x === 0 || !mask.at(x - 1, y)) edge(x, y, x, y + 1);
      if (y === mask.height - 1 || !mask.at(x, y + 1)) edge(x, y + 1, x + 1, y + 1);
      if (x === mask.width - 1 || !mask.at(x + 1, y)) edge(x + 1, y + 1, x + 1, y);
    }
  }
  const paths: XY[][] = [];
  for (const start of next.keys()) {
    while (next.get(start)?.length) paths.push(walk(next, start, stride));
  }
  return paths;
}

function walk(next: Map<number, number[]>, start: number, stride: number): XY[] {
  const path: XY[] = [];
  let at = start;
  do {
    path.push({ x: at % stride, y: Math.floor(at / stride) });
    const to = next.get(at)?.pop();
    if (to === undefined) break;
    at = to;
  } while (at !== start);
  return path;
}

function distance(p: XY, a: XY, b: XY): number {
  const dx = b.x - a.x,
    dy = b.y - a.y;
  const length = Math.hypot(dx, dy);
  return length === 0 ? Math.hypot(p.x - a.x, p.y - a.y) : Math.abs(dx * (a.y - p.y) - (a.x - p.x) * dy) / length;
}

function farthest(path: XY[], from: XY): number {
  let at = 0,
    most = -1;
  path.forEach((p, i) => {
    const d = Math.hypot(p.x - from.x, p.y - from.y);
    if (d > most) {
      most = d;
      at = i;
    }
  });
  return at;
}

export function simplify(path: XY[], tolerance: number): XY[] {
  if (path.length < 4) return path;
  // A closed path has no ends: cut it at the point farthest from some point, which is a corner, and at the one farthest from that.
  const start = farthest(path, path[0]!);
  const ring = [...path.slice(start), ...path.slice(0, start)],
    first = ring[0]!,
    far = farthest(ring, first);
  return [...thin(ring.slice(0, far + 1), tolerance).slice(0, -1), ...thin([...ring.slice(far), first], tolerance).slice(0, -1)];
}

function thin(path: XY[], tolerance: number): XY[] {
  const keep = new Uint8Array(path.length);
  keep[0] = keep[path.length - 1] = 1;
  const open: [number, number][] = [[0, path.length - 1]];
  for (let span = open.pop(); span; span = open.pop()) {
    const [from, to] = span;
    let worst = tolerance,
      at = -1;
    for (let i = from + 1; i < to; i++) {
      const d = distance(path[i]!, path[from]!, path[to]!);
      if (d > worst) {
        worst = d;
        at = i;
      }
    }
    if (at < 0) continue;
    keep[at] = 1;
    open.push([from, at], [at, to]);
  }
  return path.filter((_, i) => keep[i]);
}

export const areaOf = (path: XY[]): number =>
  Math.abs(
    path.reduce((sum, p, i) => {
      const q = path[(i + 1) % path.length]!;
      return sum + p.x * q.y - q.x * p.y;
    }, 0),
  ) / 2;

export const pathData = (paths: XY[][], sx: number, sy: number): string =>
  paths.map((p) => `M${p.map((q) => `${+(q.x * sx).toFixed(2)} ${+(q.y * sy).toFixed(2)}`).join('L')}Z`).join('');
