import { levelFor, type Level } from './levels';
import type { Painter } from './painter';
import { fitScale, type Size, type View } from './view';

const OUTSIDE = 0xff000000;

/** The same picture by the processor, for browsers without a graphics card. What a window does not change is kept between frames. */
export class CpuPainter implements Painter {
  readonly name = 'cpu';
  readonly reduced = false;
  private levels: Level[] = [];
  private full: Size | null = null;
  private skipped = 0;
  private readonly context: CanvasRenderingContext2D | null;
  private frame: { image: ImageData; words: Uint32Array; values: Int32Array; highest: number; key: string } | null = null;

  constructor(canvas: HTMLCanvasElement) {
    this.context = canvas.getContext('2d', { alpha: false });
  }

  setImage(levels: Level[], full: Size, skipped = 0): void {
    this.levels = levels;
    this.full = full;
    this.skipped = skipped;
    this.frame = null;
  }

  paint(view: View, port: Size, device: Size): void {
    const full = this.full;
    if (!this.context || !full || this.levels.length === 0 || device.width < 1 || device.height < 1) return;
    const key = [device.width, device.height, port.width, port.height, view.zoom, view.x, view.y].join(' ');
    if (this.frame?.image.width !== device.width || this.frame.image.height !== device.height) {
      const image = new ImageData(device.width, device.height);
      this.frame = {
        image,
        words: new Uint32Array(image.data.buffer),
        values: new Int32Array(device.width * device.height),
        highest: 0,
        key: '',
      };
    }
    if (this.frame.key !== key) {
      this.frame.highest = resample(this.frame.values, device, this.levels, full, view, port, this.skipped);
      this.frame.key = key;
    }
    shade(this.frame.words, this.frame.values, greys(view, this.frame.highest));
    this.context.putImageData(this.frame.image, 0, 0);
  }

  dispose(): void {
    this.levels = [];
    this.frame = null;
  }
}

/** Greys of all values up to `highest`, as little-endian RGBA words. */
export function greys(view: Pick<View, 'window' | 'invert'>, highest = 65535): Uint32Array {
  const table = new Uint32Array(highest + 1);
  const width = Math.max(view.window.width, 1),
    low = view.window.center - width / 2,
    flip = view.invert ? 255 : 0;
  for (let v = 0; v <= highest; v++) {
    const t = (v - low) / width,
      g = Math.round((t < 0 ? 0 : t > 1 ? 1 : t) * 255) ^ flip;
    table[v] = 0xff000000 | (g << 16) | (g << 8) | g;
  }
  return table;
}

function shade(out: Uint32Array, values: Int32Array, table: Uint32Array): void {
  for (let i = 0; i < out.length; i++) {
    const v = values[i]!;
    out[i] = v < 0 ? OUTSIDE : table[v]!;
  }
}

/** Values of the image at each device pixel, mixed of four; -1 beside the image. Returns the largest. */
export function resample(out: Int32Array, device: Size, levels: Level[], full: Size, view: View, port: Size, skipped = 0): number {
  let most = 0;
  const scale = view.zoom * fitScale(full, port) * (device.width / Math.max(1, port.width));
  const level = levels[Math.max(0, levelFor(scale, levels.length + skipped) - skipped)]!,
    { data, width, height } = level;
  const k = width / full.width,
    step = k / scale;
  const x0 = (view.x * full.width - device.width / 2 / scale) * k,
    y0 = (view.y * full.height - device.height / 2 / scale) * k;
  const left = new Int32Array(device.width),
    right = new Int32Array(device.width),
    share = new Int32Array(device.width);
  for (let x = 0; x < device.width; x++) {
    const at = x0 + (x + 0.5) * step,
      p = at - 0.5,
      i = Math.floor(p);
    left[x] = at < 0 || at >= width ? -1 : Math.max(0, i);
    right[x] = Math.min(width - 1, i + 1);
    share[x] = (p - i) * 256;
  }
  for (let y = 0; y < device.height; y++) {
    const at = y0 + (y + 0.5) * step,
      p = at - 0.5,
      i = Math.floor(p),
      o = y * device.width;
    if (at < 0 || at >= height) {
      out.fill(-1, o, o + device.width);
      continue;
    }
    const top = Math.max(0, i) * width,
      bottom = Math.min(height - 1, i + 1) * width,
      down = ((p - i) * 256) | 0;
    for (let x = 0; x < device.width; x++) {
      const l = left[x]!;
      if (l < 0) {
        out[o + x] = -1;
        continue;
      }
      const r = right[x]!,
        f = share[x]!;
      const a = data[top + l]! * (256 - f) + data[top + r]! * f,
        b = data[bottom + l]! * (256 - f) + data[bottom + r]! * f;
      // At most 65535 * 65536: one more bit than a signed 32-bit number has.
      const v = Math.floor((a * (256 - down) + b * down) / 65536);
      out[o + x] = v;
      if (v > most) most = v;
    }
  }
  return most;
}
