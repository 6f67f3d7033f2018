// Scales and paths of the plots, as plain numbers.
export interface Scale {
  (v: number): number;
  ticks: number[];
}

/** A linear scale from values to pixels, with about five round ticks. */
export function linear(low: number, high: number, from: number, to: number): Scale {
  const span = high - low || 1;
  const scale = ((v: number) => from + ((v - low) / span) * (to - from)) as Scale;
  scale.ticks = ticks(low, high);
  return scale;
}

export function ticks(low: number, high: number, about = 5): number[] {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const raw = span / about,
    power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? raw;
  const out: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) out.push(Number((i * step).toPrecision(12)));
  return out;
}

export const digitsFor = (values: number[]): number => {
  const step = values.length > 1 ? Math.abs(values[1]! - values[0]!) : Math.abs(values[0] ?? 1);
  return step >= 1 || step === 0 ? 0 : Math.min(6, Math.ceil(-Math.log10(step) - 1e-9));
};

export const pathOf = (points: readonly (readonly [number, number])[], x: (v: number) => number, y: (v: number) => number): string =>
  points
    .filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b))
    .map(([a, b], i) => `${i ? 'L' : 'M'}${x(a).toFixed(1)} ${y(b).toFixed(1)}`)
    .join('');

/** Smallest and largest of what is to be drawn, a little wider. */
export function extent(values: (number | null | undefined)[]): [number, number] {
  const known = values.filter((v): v is number => typeof v === 'number' && Number.isFinite(v));
  if (known.length === 0) return [0, 1];
  const low = Math.min(...known),
    high = Math.max(...known),
    room = (high - low || Math.abs(high) || 1) * 0.05;
  return [low - room, high + room];
}

/** Colour and dash of a line: no two of the first `colours` times `dashes` lines look alike. */
export const lineOf = (i: number, colours: number, dashes: number): { colour: number; dash: number } => ({
  colour: i % colours,
  dash: (i + Math.floor(i / colours)) % dashes,
});
