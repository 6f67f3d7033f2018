import { levelFor, type Level } from './levels';
import type { Painter } from './painter';
import { fitScale, level as display, type Size, type View } from './view';

/** For browsers without WebGL2: the same picture by a table of 65536 levels, nearest pixel of the fitting level. */
export class CpuPainter implements Painter {
  readonly name = 'cpu';
  readonly reduced = false;
  private levels: Level[] = [];
  private readonly context: CanvasRenderingContext2D | null;
  private buffer: ImageData | null = null;

  constructor(canvas: HTMLCanvasElement) {
    this.context = canvas.getContext('2d', { alpha: false });
  }

  setImage(levels: Level[]): void { this.levels = levels; }

  paint(view: View, port: Size, device: Size): void {
    const full = this.levels[0];
    if (!this.context || !full || device.width < 1 || device.height < 1) return;
    if (this.buffer?.width !== device.width || this.buffer.height !== device.height) this.buffer = new ImageData(device.width, device.height);
    fill(new Uint32Array(this.buffer.data.buffer), device, this.levels, full, view, port);
    this.context.putImageData(this.buffer, 0, 0);
  }

  dispose(): void { this.levels = []; this.buffer = null; }
}

/** Greys as little-endian RGBA words. */
export function greys(view: View): Uint32Array {
  const table = new Uint32Array(65536);
  for (let v = 0; v < 65536; v++) {
    const g = Math.round(display(v, view) * 255);
    table[v] = 0xff000000 | (g << 16) | (g << 8) | g;
  }
  return table;
}

export function fill(out: Uint32Array, device: Size, levels: Level[], full: Size, view: View, port: Size): void {
  const table = greys(view);
  const scale = view.zoom * fitScale(full, port) * (device.width / Math.max(1, port.width));
  const level = levels[levelFor(scale, levels.length)]!;
  const k = level.width / full.width, step = k / scale;
  const x0 = (view.x * full.width - device.width / 2 / scale) * k, y0 = (view.y * full.height - device.height / 2 / scale) * k;
  const columns = new Int32Array(device.width);
  for (let x = 0; x < device.width; x++) {
    const at = Math.floor(x0 + (x + 0.5) * step);
    columns[x] = at >= 0 && at < level.width ? at : -1;
  }
  for (let y = 0; y < device.height; y++) {
    const row = Math.floor(y0 + (y + 0.5) * step);
    const inside = row >= 0 && row < level.height;
    for (let x = 0, o = y * device.width; x < device.width; x++, o++) {
      const column = columns[x]!;
      out[o] = inside && column >= 0 ? table[level.data[row * level.width + column]!]! : 0xff000000;
    }
  }
}
