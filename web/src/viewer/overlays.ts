import { useEffect, useState } from 'preact/hooks';
import { request } from '../api/client';
import { areaOf, outlines, pathData, simplify } from './contour';
import type { Size } from './view';

const LONGEST = 512;

async function grey(
  url: string,
  longest: number,
): Promise<{ width: number; height: number; context: OffscreenCanvasRenderingContext2D; data: ImageData }> {
  const bitmap = await createImageBitmap(await (await request('GET', url)).blob());
  const k = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * k)),
    height = Math.max(1, Math.round(bitmap.height * k));
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return { width, height, context, data: context.getImageData(0, 0, width, height) };
}

/** Outline of a mask, as the data of an SVG path in the image's pixels. */
async function maskPath(url: string, image: Size): Promise<string> {
  const { width, height, data } = await grey(url, LONGEST);
  const bits = { width, height, at: (x: number, y: number) => data.data[(y * width + x) * 4]! > 127 };
  const paths = outlines(bits)
    .map((p) => simplify(p, 0.9))
    .filter((p) => p.length > 2 && areaOf(p) > 12);
  return pathData(paths, image.width / width, image.height / height);
}

// Dark violet, red, orange, pale yellow: lightness rises with the value, so that it reads without colour vision too.
const RAMP = [
  [50, 10, 94],
  [147, 38, 103],
  [221, 81, 58],
  [252, 165, 10],
  [252, 255, 164],
] as const;

export function colourOf(v: number): [number, number, number] {
  const at = Math.min(1, Math.max(0, v)) * (RAMP.length - 1),
    i = Math.min(RAMP.length - 2, Math.floor(at)),
    f = at - i;
  return [0, 1, 2].map((k) => Math.round(RAMP[i]![k]! * (1 - f) + RAMP[i + 1]![k]! * f)) as [number, number, number];
}

/** A heat map as a picture whose strength is also its cover, so that what is weak hides nothing. */
async function mapPicture(url: string): Promise<string> {
  const { context, data } = await grey(url, 1024);
  for (let i = 0; i < data.data.length; i += 4) {
    const v = data.data[i]! / 255;
    const [r, g, b] = colourOf(v);
    data.data[i] = r;
    data.data[i + 1] = g;
    data.data[i + 2] = b;
    data.data[i + 3] = Math.round(255 * 0.75 * v);
  }
  context.putImageData(data, 0, 0);
  return URL.createObjectURL(await context.canvas.convertToBlob());
}

export function useMask(url: string | null, image: Size): string | null {
  const [path, set] = useState<string | null>(null);
  useEffect(() => {
    let current = true;
    set(null);
    if (url)
      maskPath(url, image).then(
        (p) => {
          if (current) set(p);
        },
        () => {},
      );
    return () => {
      current = false;
    };
  }, [url, image.width, image.height]);
  return path;
}

export function useMap(url: string | null): string | null {
  const [picture, set] = useState<string | null>(null);
  useEffect(() => {
    let current = true,
      made: string | null = null;
    set(null);
    if (url)
      mapPicture(url).then(
        (p) => {
          made = p;
          if (current) set(p);
          else URL.revokeObjectURL(p);
        },
        () => {},
      );
    return () => {
      current = false;
      if (made) URL.revokeObjectURL(made);
    };
  }, [url]);
  return picture;
}
