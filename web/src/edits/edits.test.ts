import { describe as group, expect, it } from 'vitest';
import type { Edit, Edited, Op } from '../api/types';
import { applyOp, decided, lastOwn, targetOf } from './apply';
import { carried, onto } from './carried';
import { merge } from './conflict';

const start: Edited = {
  findings: [
    { code: 'nodule', name: 'Nodule', model_set: 'present', model_probability: 0.7, set: 'present', decision: null, by: null },
    { code: 'hernia', name: 'Hernia', model_set: null, model_probability: null, set: null, decision: null, by: null },
  ],
  regions: [
    { id: 'nodule/0', code: 'nodule', image: 0, rect: { x: 1, y: 2, width: 3, height: 4 }, source: 'model', by: null, removed: false },
  ],
  sentences: [
    {
      index: 0,
      section: 'findings',
      text: 'Nodule.',
      model_text: 'Nodule.',
      evidence: [{ kind: 'finding', ref: 'nodule' }],
      source: 'model',
      removed: false,
    },
  ],
  measurements: [],
  notes: [],
};
const edit = (id: number, revision: number, by: string, op: Op, undone_by: number | null = null): Edit => ({
  id,
  revision,
  at: '2026-01-01T00:00:00Z',
  by,
  op,
  undone_by,
});

group('what a reader did, over what the model said', () => {
  it('keeps the model’s answer beside the reader’s', () => {
    const f = applyOp(start, { type: 'finding', code: 'nodule', decision: 'reject' }, 'anna', 'e').findings[0]!;
    expect(f).toMatchObject({ model_set: 'present', set: 'absent', decision: 'reject', by: 'anna' });
  });
  it('can answer what was not assessed', () => {
    const f = applyOp(start, { type: 'finding', code: 'hernia', decision: 'change', set: 'present' }, 'anna', 'e').findings[1]!;
    expect(f).toMatchObject({ model_set: null, set: 'present' });
  });
  it('turns a denial that is rejected', () => {
    expect(decided({ type: 'finding', code: 'x', decision: 'reject' }, 'absent')).toBe('present');
    expect(decided({ type: 'finding', code: 'x', decision: 'accept' }, 'undecided')).toBe('undecided');
  });
  it('keeps the model’s sentence when it is rewritten, twice too', () => {
    const once = applyOp(start, { type: 'sentence', index: 0, text: 'Small nodule.' }, 'anna', 'e');
    const twice = applyOp(once, { type: 'sentence', index: 0, text: 'Tiny nodule.' }, 'ben', 'f').sentences[0]!;
    expect(twice).toMatchObject({ text: 'Tiny nodule.', model_text: 'Nodule.', source: 'reader', by: 'ben' });
  });
  it('adds sentences, places, lengths and notes, and removes without losing', () => {
    let e = applyOp(start, { type: 'sentence_add', section: 'impression', text: 'New.' }, 'anna', 'a');
    e = applyOp(
      e,
      {
        type: 'region_add',
        code: 'nodule',
        image: 0,
        polygon: [
          [0, 0],
          [1, 0],
          [0, 1],
        ],
      },
      'anna',
      'b',
    );
    e = applyOp(
      e,
      {
        type: 'measurement_add',
        image: 0,
        name: 'length',
        line: [
          [0, 0],
          [3, 4],
        ],
        value: 5,
        unit: 'pixel',
      },
      'anna',
      'c',
    );
    e = applyOp(e, { type: 'note', text: 'Ask.' }, 'anna', 'd');
    e = applyOp(e, { type: 'region_remove', region: 'nodule/0' }, 'anna', 'f');
    e = applyOp(e, { type: 'sentence_remove', index: 0 }, 'anna', 'g');
    expect(e.sentences.map((s) => [s.index, s.removed])).toEqual([
      [0, true],
      [1, false],
    ]);
    expect(e.regions.map((r) => [r.id, r.removed, r.source])).toEqual([
      ['nodule/0', true, 'model'],
      ['b', false, 'reader'],
    ]);
    expect([e.measurements.length, e.notes[0]!.text]).toEqual([1, 'Ask.']);
    expect(start.regions[0]!.removed).toBe(false);
  });
  it('finds the last own edit that still counts', () => {
    const note: Op = { type: 'note', text: 'x' };
    const list = [
      edit(1, 1, 'anna', note),
      edit(2, 2, 'ben', note),
      edit(3, 3, 'anna', note, 4),
      edit(4, 4, 'anna', { type: 'undo', edit: 3 }),
    ];
    expect(lastOwn(list, 'anna')?.id).toBe(1);
    expect(lastOwn(list, 'eve')).toBeNull();
  });
  it('knows what two operations can quarrel about', () => {
    expect(targetOf({ type: 'sentence', index: 2, text: '' })).toBe(targetOf({ type: 'sentence_remove', index: 2 }));
    expect(targetOf({ type: 'note', text: '' })).toBeNull();
  });
});

group('a conflict', () => {
  const mine: Op = { type: 'sentence', index: 0, text: 'Mine.' };
  it('about something else is no conflict', () =>
    expect(merge(mine, { revision: 7, edits: [edit(1, 7, 'ben', { type: 'sentence', index: 1, text: 'x' })] })).toEqual({
      kind: 'resend',
      base_revision: 7,
    }));
  it('about the same thing asks', () =>
    expect(merge(mine, { revision: 7, edits: [edit(1, 7, 'ben', { type: 'sentence', index: 0, text: 'Theirs.' })] })).toMatchObject({
      kind: 'ask',
      base_revision: 7,
      theirs: [{ id: 1 }],
    }));
  it('with the same change is none, whatever the order of its fields', () =>
    expect(
      merge(
        { type: 'finding', code: 'a', decision: 'change', set: 'absent' },
        { revision: 7, edits: [edit(1, 7, 'ben', { set: 'absent', decision: 'change', code: 'a', type: 'finding' } as Op)] },
      ).kind,
    ).toBe('same'));
  it('with what was taken back meanwhile is none', () =>
    expect(
      merge(mine, {
        revision: 8,
        edits: [edit(1, 7, 'ben', { type: 'sentence', index: 0, text: 'x' }), edit(2, 8, 'ben', { type: 'undo', edit: 1 })],
      }).kind,
    ).toBe('resend'));
});

group('a change that was made of an earlier reading', () => {
  it('keeps what the reader meant, not what the model said', () => {
    for (const decision of ['accept', 'reject'] as const) {
      const op: Op = { type: 'finding', code: 'nodule', decision };
      const meant = decided(op, 'present');
      expect(carried(op, meant)).toEqual({ type: 'finding', code: 'nodule', decision: 'change', set: meant });
    }
  });
  it('is lost where it is about words or places that may be gone', () => {
    expect(carried({ type: 'sentence', index: 0, text: 'x' }, null)).toBeNull();
    expect(carried({ type: 'sentence_remove', index: 0 }, null)).toBeNull();
    expect(carried({ type: 'region_remove', region: 'nodule/0' }, null)).toBeNull();
    expect(carried({ type: 'finding', code: 'hernia', decision: 'accept' }, null)).toBeNull();
  });
  it('stays where it is the reader’s own', () => {
    const own: Op[] = [
      { type: 'note', text: 'x' },
      { type: 'region_remove', region: 'reader/3' },
      { type: 'undo', edit: 3 },
    ];
    for (const op of own) expect(carried(op, null)).toEqual(op);
  });
  it('is about the new reading then', () => {
    const waiting = { key: 'a', op: { type: 'note', text: 'x' } as Op, sent: false, reading: 'old', meant: null };
    expect(onto(waiting, 'new')).toEqual([{ ...waiting, reading: 'new' }]);
    expect(onto({ ...waiting, op: { type: 'sentence_remove', index: 0 } as Op }, 'new')).toEqual([]);
  });
});
