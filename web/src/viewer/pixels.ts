import { request } from '../api/client';
import { en } from '../texts/en';
import { levelsOf, type Level } from './levels';

const KEPT = 6;
const cache = new Map<string, Promise<Level[]>>();

/** Pixels of an image with their halved copies; the last few images stay, so that going back shows them at once. */
export function pixels(url: string, columns: number, rows: number): Promise<Level[]> {
  const known = cache.get(url);
  cache.delete(url);
  const promise = known ?? load(url, columns, rows);
  cache.set(url, promise);
  promise.catch(() => cache.delete(url));
  for (const old of cache.keys()) {
    if (cache.size <= KEPT) break;
    cache.delete(old);
  }
  return promise;
}

async function load(url: string, width: number, height: number): Promise<Level[]> {
  const buffer = await (await request('GET', url)).arrayBuffer();
  if (buffer.byteLength !== width * height * 2) {
    throw new Error(en.viewer.wrongSize(buffer.byteLength, width, height));
  }
  return levelsOf({ width, height, data: new Uint16Array(littleEndian(buffer)) });
}

function littleEndian(buffer: ArrayBuffer): ArrayBuffer {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) return buffer;
  const bytes = new Uint8Array(buffer);
  for (let i = 0; i + 1 < bytes.length; i += 2) [bytes[i], bytes[i + 1]] = [bytes[i + 1]!, bytes[i]!];
  return buffer;
}
