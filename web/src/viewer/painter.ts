import type { Level } from './levels';
import type { Size, View } from './view';
import { CpuPainter } from './cpu';
import { GlPainter } from './gl';

/** Draws one image into one canvas. `device` is the canvas's size in device pixels, `port` in CSS pixels. */
export interface Painter {
  readonly name: 'webgl' | 'cpu';
  /** Halved copies of an image of size `full`, the finest first; the `skipped` finest are not here. */
  setImage(levels: Level[], full: Size, skipped?: number): void;
  paint(view: View, port: Size, device: Size): void;
  /** Whether the image is shown at less than its full resolution. */
  readonly reduced: boolean;
  dispose(): void;
}

export function painterFor(canvas: HTMLCanvasElement): Painter {
  const wanted = new URLSearchParams(location.search).get('renderer');
  return (wanted === 'cpu' ? null : GlPainter.create(canvas, wanted === 'webgl')) ?? new CpuPainter(canvas);
}
