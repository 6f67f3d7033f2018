import { request } from '../api/client';
import { en } from '../texts/en';
import { HALVED, levelFor, levelsOf, type Level } from './levels';
import { fitScale, type Size } from './view';

const KEPT = 6;
const cache = new Map<string, Promise<Level[]>>();

/** Whether the pixels of an image are here or on their way. */
export const known = (url: string): boolean => cache.has(url);

/** Pixels of an image with their halved copies; the last few images stay, so that going back shows them at once. */
export function pixels(url: string, columns: number, rows: number): Promise<Level[]> {
  const promise = cache.get(url) ?? load(url, columns, rows).then(halved);
  cache.delete(url);
  cache.set(url, promise);
  promise.catch(() => cache.delete(url));
  for (const old of cache.keys()) {
    if (cache.size <= KEPT) break;
    cache.delete(old);
  }
  return promise;
}

/** The image with its sides halved `times`, made by the server: all that a screen needs which shows it small, in a fraction of the bytes. */
export function preview(url: string, columns: number, rows: number, times: number): Promise<Level> {
  const side = (n: number): number => Math.ceil(n / 2 ** times);
  return load(`${url}${url.includes('?') ? '&' : '?'}level=${times}`, side(columns), side(rows));
}

/** A small copy that was asked for before there was a place for it. */
export type Early = { times: number; level: Promise<Level> };
let early: (Early & { url: string }) | null = null;

/** Asks for what a screen needs that shows the image in `port`, or for all of it where that is no less. */
export function begin(url: string, columns: number, rows: number, port: Size): void {
  if (known(url)) return;
  const times = levelFor(fitScale({ width: columns, height: rows }, port) * devicePixelRatio, HALVED + 1);
  if (times === 0) {
    pixels(url, columns, rows).catch(() => {});
    return;
  }
  const level = preview(url, columns, rows, times);
  level.catch(() => {});
  early = { url, times, level };
}

/** What `begin` asked for, once; null when it is another image, or less than a screen of `times` needs. */
export function begun(url: string, times: number): Early | null {
  const found = early?.url === url && early.times <= times ? early : null;
  early = null;
  return found;
}

async function load(url: string, width: number, height: number): Promise<Level> {
  const buffer = await (await request('GET', url)).arrayBuffer();
  if (buffer.byteLength !== width * height * 2) {
    throw new Error(en.viewer.wrongSize(buffer.byteLength, width, height));
  }
  return { width, height, data: new Uint16Array(littleEndian(buffer)) };
}

let worker: Worker | null = null;
let asked = 0;
const waiting = new Map<number, { done: (levels: Level[]) => void; failed: (e: Error) => void }>();

function halved(base: Level): Promise<Level[]> {
  if (typeof Worker === 'undefined') return Promise.resolve(levelsOf(base));
  if (!worker) {
    worker = new Worker(new URL('./levels.worker.ts', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<{ id: number; levels: Level[] }>) => {
      waiting.get(data.id)?.done(data.levels);
      waiting.delete(data.id);
    };
    worker.onerror = (e) => {
      for (const { failed } of waiting.values()) failed(new Error(e.message));
      waiting.clear();
      worker = null;
    };
  }
  const id = asked++;
  return new Promise((done, failed) => {
    waiting.set(id, { done, failed });
    worker?.postMessage({ id, base }, [base.data.buffer]);
  });
}

function littleEndian(buffer: ArrayBuffer): ArrayBuffer {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) return buffer;
  const bytes = new Uint8Array(buffer);
  for (let i = 0; i + 1 < bytes.length; i += 2) [bytes[i], bytes[i + 1]] = [bytes[i + 1]!, bytes[i]!];
  return buffer;
}
