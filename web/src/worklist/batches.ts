// A thousand files are sent in batches: few requests, bounded memory on the server, and progress for each file.
export const MAX_FILES = 20;
export const MAX_BYTES = 32 * 1024 * 1024;

export function batches<T extends { size: number }>(files: T[], maxFiles = MAX_FILES, maxBytes = MAX_BYTES): T[][] {
  const out: T[][] = [];
  let now: T[] = [],
    bytes = 0;
  for (const file of files) {
    if (now.length > 0 && (now.length >= maxFiles || bytes + file.size > maxBytes)) {
      out.push(now);
      now = [];
      bytes = 0;
    }
    now.push(file);
    bytes += file.size;
  }
  if (now.length > 0) out.push(now);
  return out;
}

/** Share of each file that is on its way, when `loaded` of the batch's bytes are. */
export function shares(sizes: number[], loaded: number): number[] {
  let left = loaded;
  return sizes.map((size) => {
    const part = size === 0 ? (left >= 0 ? 1 : 0) : Math.min(1, Math.max(0, left / size));
    left -= size;
    return part;
  });
}
