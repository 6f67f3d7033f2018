import { en } from '../texts/en';

// Numbers and dates by the reader's locale; `undefined` is the browser's own.
let locale: string | undefined;
const cache = new Map<string, Intl.NumberFormat>();

export function setLocale(tag: string | null | undefined): void {
  try {
    locale = tag ? Intl.getCanonicalLocales(tag)[0] : undefined;
  } catch {
    locale = undefined;
  }
  cache.clear();
}

/** The language that the reader set in the browser (what it sends as Accept-Language), which need not be that of its menus. */
export const browserLocale = (): string | undefined => navigator.languages?.[0] ?? navigator.language;

export function number(value: number | null | undefined, digits: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return en.none;
  const key = String(digits);
  let format = cache.get(key);
  if (!format) {
    format = new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    cache.set(key, format);
  }
  return format.format(value);
}

export const probability = (p: number | null | undefined): string => number(p, 2);

export function date(iso: string | null | undefined): string {
  if (!iso) return en.none;
  // A study's date is a day on the wall, not a moment: UTC keeps it from slipping to the day before.
  const d = new Date(iso.length === 10 ? `${iso}T00:00:00Z` : iso);
  if (Number.isNaN(d.getTime())) return iso;
  return new Intl.DateTimeFormat(locale, {
    year: 'numeric',
    month: 'short',
    day: '2-digit',
    timeZone: iso.length === 10 ? 'UTC' : undefined,
  }).format(d);
}

export function moment(iso: string | null | undefined): string {
  if (!iso) return en.none;
  const d = new Date(iso);
  if (Number.isNaN(d.getTime())) return iso;
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' }).format(d);
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** How long ago, in the largest unit that fits. */
export function ago(iso: string, now: number = Date.now()): string {
  const seconds = Math.round((new Date(iso).getTime() - now) / 1000);
  if (Number.isNaN(seconds)) return en.none;
  const format = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' });
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return format.format(Math.trunc(seconds / length), unit);
  }
  return format.format(0, 'minute');
}

/** Patient's age: DICOM's `045Y`, a number of years, or as given. */
export function age(value: string | number | null): string {
  if (value === null || value === '') return en.none;
  const match = /^0*(\d+)([YMWD])$/.exec(String(value));
  if (!match) return String(value);
  const unit = { Y: 'year', M: 'month', W: 'week', D: 'day' }[match[2] as 'Y' | 'M' | 'W' | 'D'];
  return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'narrow' }).format(Number(match[1]));
}

/** DICOM writes names as FAMILY^GIVEN^MIDDLE^PREFIX^SUFFIX. */
export function personName(name: string | null): string {
  if (!name) return en.worklist.noName;
  const [family, given, middle] = (name.split('=')[0] ?? '').split('^').map((part) => part.trim());
  const first = [given, middle].filter(Boolean).join(' ');
  return [family, first].filter(Boolean).join(', ') || en.worklist.noName;
}

export const sentenceCase = (code: string): string => {
  const words = code.replace(/[_-]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
};
