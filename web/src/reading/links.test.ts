import { describe, expect, it } from 'vitest';
import type { Edited, Finding } from '../api/types';
import { grouped } from './groups';
import { lit } from './links';

const region = (id: string, code: string) => ({
  id,
  code,
  image: 0,
  rect: { x: 0, y: 0, width: 1, height: 1 },
  source: 'model' as const,
  by: null,
  removed: false,
});
const sentence = (index: number, evidence: [string, string][], removed = false) => ({
  index,
  section: 'findings' as const,
  text: `s${index}`,
  model_text: null,
  source: 'model' as const,
  removed,
  evidence: evidence.map(([kind, ref]) => ({ kind: kind as 'finding', ref })),
});
const edited: Edited = {
  findings: ['nodule', 'mass'].map((code) => ({
    code,
    name: code,
    model_set: 'present' as const,
    model_probability: 0.5,
    set: 'present' as const,
    decision: null,
    by: null,
  })),
  regions: [region('nodule/0', 'nodule'), region('nodule/1', 'nodule'), region('mass/0', 'mass')],
  sentences: [
    sentence(0, [
      ['finding', 'nodule'],
      ['region', 'nodule/1'],
    ]),
    sentence(1, [['finding', 'mass']]),
    sentence(2, [['measurement', 'cardiothoracic_ratio']]),
    sentence(3, [['region', 'mass/0']], true),
  ],
  measurements: [],
  notes: [],
};

describe('what belongs together', () => {
  it('a sentence lights up its evidence, and only the places it names', () => {
    const l = lit({ kind: 'sentence', index: 0 }, edited);
    expect([[...l.findings], [...l.regions]]).toEqual([['nodule'], ['nodule/1']]);
  });
  it('a sentence about a finding as a whole lights up all its places', () =>
    expect([...lit({ kind: 'sentence', index: 1 }, edited).regions]).toEqual(['mass/0']));
  it('a place lights up its sentences, but none that was removed', () =>
    expect([...lit({ kind: 'region', id: 'mass/0' }, edited).sentences]).toEqual([1]));
  it('a finding lights up places and sentences', () => {
    const l = lit({ kind: 'finding', code: 'nodule' }, edited);
    expect([[...l.regions], [...l.sentences]]).toEqual([['nodule/0', 'nodule/1'], [0]]);
  });
  it('a measurement lights up its sentence, nothing lights up nothing', () => {
    expect([...lit({ kind: 'measurement', name: 'cardiothoracic_ratio' }, edited).sentences]).toEqual([2]);
    expect(lit(null, edited).sentences.size).toBe(0);
  });
});

describe('groups of findings', () => {
  const finding = (code: string, status: Finding['status']) => ({ code, status }) as Finding;
  const row = (code: string, set: 'present' | null, p: number | null) => ({
    code,
    name: code,
    model_set: set,
    model_probability: p,
    set,
    decision: null,
    by: null,
  });
  it('never take what was not assessed for absent', () => {
    const g = grouped(
      [finding('a', 'not_assessed'), finding('b', 'assessed'), finding('c', 'assessed'), finding('d', 'assessed')],
      [row('a', null, null), row('b', null, 0.4), row('c', 'present', 0.2), row('d', 'present', 0.9)],
    );
    expect([g.get('not_assessed')![0]!.code, g.get('scored')![0]!.code, g.get('absent')!.length]).toEqual(['a', 'b', 0]);
    expect(g.get('present')!.map((r) => r.code)).toEqual(['d', 'c']);
  });
});
