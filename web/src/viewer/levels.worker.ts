// Halving a film of ten megabytes takes as long as several frames, so the page has it done here.
import { levelsOf, type Level } from './levels';

self.onmessage = ({ data }: MessageEvent<{ id: number; base: Level }>): void => {
  const levels = levelsOf(data.base);
  self.postMessage({ id: data.id, levels }, { transfer: levels.map((l) => l.data.buffer) });
};
