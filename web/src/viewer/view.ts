// Where an image lies on the screen, and which values are black and white. All of it is plain numbers,
// kept free of the page, so that linked views and tools are tested without a browser.

export interface Size {
  width: number;
  height: number;
}
export interface XY {
  x: number;
  y: number;
}
export interface Window {
  center: number;
  width: number;
}

/** `zoom` 1 fits the whole image; `x`, `y` is the image's point in the middle of the viewport, as shares of its size. */
export interface View {
  zoom: number;
  x: number;
  y: number;
  invert: boolean;
  window: Window;
}

export const MIN_ZOOM = 0.25;
export const MAX_ZOOM = 40;

export const fitted = (window: Window): View => ({ zoom: 1, x: 0.5, y: 0.5, invert: false, window: { ...window } });

const clamp = (v: number, low: number, high: number): number => Math.min(high, Math.max(low, v));

/** Screen pixels an image pixel takes at zoom 1. */
export function fitScale(image: Size, port: Size): number {
  if (image.width <= 0 || image.height <= 0) return 1;
  return Math.min(port.width / image.width, port.height / image.height) || 1;
}

export const scaleOf = (view: View, image: Size, port: Size): number => view.zoom * fitScale(image, port);

export function toScreen(view: View, image: Size, port: Size, p: XY): XY {
  const s = scaleOf(view, image, port);
  return { x: (p.x - view.x * image.width) * s + port.width / 2, y: (p.y - view.y * image.height) * s + port.height / 2 };
}

export function toImage(view: View, image: Size, port: Size, p: XY): XY {
  const s = scaleOf(view, image, port);
  return { x: (p.x - port.width / 2) / s + view.x * image.width, y: (p.y - port.height / 2) / s + view.y * image.height };
}

/** The centre stays on the image, so that an image can never be lost off the screen. */
const kept = (view: View): View => ({ ...view, x: clamp(view.x, 0, 1), y: clamp(view.y, 0, 1) });

/** Zooms so that the image's point under `at` (screen) stays there. */
export function zoomAt(view: View, image: Size, port: Size, factor: number, at: XY): View {
  const zoom = clamp(view.zoom * factor, MIN_ZOOM, MAX_ZOOM);
  const before = toImage(view, image, port, at);
  const after = toImage({ ...view, zoom }, image, port, at);
  return kept({ ...view, zoom, x: view.x + (before.x - after.x) / image.width, y: view.y + (before.y - after.y) / image.height });
}

/** Moves the image by screen pixels. */
export function panBy(view: View, image: Size, port: Size, dx: number, dy: number): View {
  const s = scaleOf(view, image, port);
  return kept({ ...view, x: view.x - dx / (s * image.width), y: view.y - dy / (s * image.height) });
}

/** Zoom at which one image pixel is one device pixel. */
export function actualSize(view: View, image: Size, port: Size, devicePixelRatio: number): View {
  return { ...view, zoom: clamp(1 / (fitScale(image, port) * devicePixelRatio), MIN_ZOOM, MAX_ZOOM) };
}

/** Right is wider (less contrast), up is brighter; a drag over the viewport's width doubles or halves several times. */
export function windowBy(view: View, dx: number, dy: number, initial: Window): View {
  const width = Math.max(1, view.window.width * Math.exp(dx / 200));
  const center = view.window.center + (dy * Math.max(initial.width, 1)) / 400;
  return { ...view, window: { center, width } };
}

/** Window that makes a drawn part of the image fill black to white: 1st to 99th percentile. */
export function windowOf(
  values: ArrayLike<number>,
  size: Size,
  rect: { x: number; y: number; width: number; height: number },
): Window | null {
  const x0 = clamp(Math.floor(rect.x), 0, size.width),
    x1 = clamp(Math.ceil(rect.x + rect.width), 0, size.width);
  const y0 = clamp(Math.floor(rect.y), 0, size.height),
    y1 = clamp(Math.ceil(rect.y + rect.height), 0, size.height);
  const area = (x1 - x0) * (y1 - y0);
  if (area < 4) return null;
  const step = Math.max(1, Math.floor(Math.sqrt(area / 40_000)));
  const seen: number[] = [];
  for (let y = y0; y < y1; y += step) for (let x = x0; x < x1; x += step) seen.push(values[y * size.width + x] ?? 0);
  seen.sort((a, b) => a - b);
  const at = (q: number): number => seen[Math.min(seen.length - 1, Math.floor(q * seen.length))] ?? 0;
  const low = at(0.01),
    high = at(0.99);
  return { center: (low + high) / 2, width: Math.max(1, high - low) };
}

/** What two linked views share: place and zoom relative to the fit, window relative to each image's own. */
export interface LinkedView {
  zoom: number;
  x: number;
  y: number;
  invert: boolean;
  shift: number;
  stretch: number;
}

export function toLinked(view: View, initial: Window): LinkedView {
  const w = Math.max(initial.width, 1);
  return {
    zoom: view.zoom,
    x: view.x,
    y: view.y,
    invert: view.invert,
    shift: (view.window.center - initial.center) / w,
    stretch: view.window.width / w,
  };
}

export function fromLinked(linked: LinkedView, initial: Window): View {
  const w = Math.max(initial.width, 1);
  return {
    zoom: linked.zoom,
    x: linked.x,
    y: linked.y,
    invert: linked.invert,
    window: { center: initial.center + linked.shift * w, width: Math.max(1, linked.stretch * w) },
  };
}

/** Display level 0..1 of a value, as the shader computes it. */
export function level(value: number, view: Pick<View, 'window' | 'invert'>): number {
  const t = clamp((value - view.window.center) / Math.max(view.window.width, 1) + 0.5, 0, 1);
  return view.invert ? 1 - t : t;
}
