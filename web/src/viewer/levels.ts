// Halved copies of an image, so that a large film shown small does not flicker (aliasing), at four reads a pixel.

/** How often the server halves at most. */
export const HALVED = 6;

export interface Level {
  width: number;
  height: number;
  data: Uint16Array<ArrayBuffer>;
}

/** Mean of 2x2 blocks; the last row or column is repeated when the size is odd. */
export function halve(level: Level): Level {
  const width = Math.max(1, (level.width + 1) >> 1),
    height = Math.max(1, (level.height + 1) >> 1);
  const data = new Uint16Array(width * height);
  const from = level.data;
  for (let y = 0; y < height; y++) {
    const top = 2 * y * level.width,
      bottom = Math.min(2 * y + 1, level.height - 1) * level.width;
    for (let x = 0; x < width; x++) {
      const left = 2 * x,
        right = Math.min(left + 1, level.width - 1);
      data[y * width + x] = (from[top + left]! + from[top + right]! + from[bottom + left]! + from[bottom + right]! + 2) >> 2;
    }
  }
  return { width, height, data };
}

export function levelsOf(base: Level, smallest = 256): Level[] {
  const levels = [base];
  let last = base;
  while (Math.max(last.width, last.height) > smallest) {
    last = halve(last);
    levels.push(last);
  }
  return levels;
}

/** The level to read for `scale` screen pixels an image pixel: the coarsest that still has a pixel for each of the screen's. */
export function levelFor(scale: number, count: number): number {
  if (!(scale < 1)) return 0;
  return Math.min(count - 1, Math.max(0, Math.floor(Math.log2(1 / scale) + 1e-6)));
}
