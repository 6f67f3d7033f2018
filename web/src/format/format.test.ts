import { beforeEach, describe, expect, it } from 'vitest';
import { age, ago, date, number, personName, setLocale } from './format';

beforeEach(() => setLocale('en-GB'));

describe('by the reader’s locale', () => {
  it('numbers', () => {
    expect(number(1234.5, 1)).toBe('1,234.5');
    setLocale('de-DE');
    expect(number(1234.5, 1)).toBe('1.234,5');
    setLocale('not a locale!');
    expect(number(0.5, 2)).toMatch(/0.50/);
  });
  it('what is not known is not zero', () => expect([number(null, 2), number(NaN, 2), date(null), age(null)]).toEqual(['–', '–', '–', '–']));
  it('a study’s day does not slip to the day before', () => expect(date('2020-01-01')).toBe('01 Jan 2020'));
  it('how long ago', () => {
    const now = Date.parse('2026-01-02T00:00:00Z');
    expect(ago('2026-01-01T21:00:00Z', now)).toBe('3 hr ago');
    expect(ago('2026-01-01T23:59:50Z', now)).toBe('this minute');
    expect(ago('nonsense', now)).toBe('–');
  });
});

describe('DICOM’s own ways', () => {
  it('names', () =>
    expect([personName('Müller^Jörg^A'), personName('Solo'), personName('^^'), personName(null)]).toEqual([
      'Müller, Jörg A',
      'Solo',
      'No name',
      'No name',
    ]));
  it('ages', () => expect([age('045Y'), age('003M'), age(7), age('')]).toEqual(['45y', '3m', '7', '–']));
});
