// A reader's operations over what the server last said, for those that are still on their way.
// The model's words are never lost: they stay beside the reader's in the same row.
import type { Edit, Edited, Op } from '../api/types';

/** What an operation is about; two operations about the same thing can contradict each other. */
export function targetOf(op: Op): string | null {
  switch (op.type) {
    case 'finding':
      return `finding:${op.code}`;
    case 'region_remove':
    case 'region_change':
      return `region:${op.region}`;
    case 'sentence':
    case 'sentence_remove':
      return `sentence:${op.index}`;
    case 'undo':
      return `edit:${op.edit}`;
    default:
      return null; // additions never get in each other's way
  }
}

export function applyOp(edited: Edited, op: Op, by: string, id: string): Edited {
  switch (op.type) {
    case 'finding':
      return {
        ...edited,
        findings: edited.findings.map((f) => (f.code === op.code ? { ...f, decision: op.decision, set: decided(op, f.model_set), by } : f)),
      };
    case 'region_add':
      return {
        ...edited,
        regions: [
          ...edited.regions,
          { id, code: op.code, image: op.image, rect: op.rect ?? null, polygon: op.polygon ?? null, source: 'reader', by, removed: false },
        ],
      };
    case 'region_remove':
      return { ...edited, regions: edited.regions.map((r) => (r.id === op.region ? { ...r, removed: true, by } : r)) };
    case 'region_change':
      return {
        ...edited,
        regions: edited.regions.map((r) =>
          r.id === op.region ? { ...r, rect: op.rect ?? null, polygon: op.polygon ?? null, source: 'reader', by } : r,
        ),
      };
    case 'sentence':
      return {
        ...edited,
        sentences: edited.sentences.map((s) =>
          s.index === op.index
            ? { ...s, text: op.text, model_text: s.model_text ?? (s.source === 'model' ? s.text : null), source: 'reader', by }
            : s,
        ),
      };
    case 'sentence_add': {
      const index = edited.sentences.reduce((most, s) => Math.max(most, s.index), -1) + 1;
      return {
        ...edited,
        sentences: [
          ...edited.sentences,
          { index, section: op.section, text: op.text, model_text: null, evidence: [], source: 'reader', by, removed: false },
        ],
      };
    }
    case 'sentence_remove':
      return { ...edited, sentences: edited.sentences.map((s) => (s.index === op.index ? { ...s, removed: true, by } : s)) };
    case 'measurement_add':
      return {
        ...edited,
        measurements: [
          ...edited.measurements,
          { id, name: op.name, image: op.image, line: op.line, value: op.value, unit: op.unit, source: 'reader', by, removed: false },
        ],
      };
    case 'note':
      return { ...edited, notes: [...edited.notes, { id, text: op.text, by, at: new Date().toISOString() }] };
    case 'undo':
      return edited; // only the server can take an edit back: it knows what was there before
  }
}

/** Accepting keeps the model's set, rejecting turns it: present and absent change places, undecided stays so. */
export function decided(
  op: Extract<Op, { type: 'finding' }>,
  model: Edited['findings'][number]['model_set'],
): Edited['findings'][number]['set'] {
  if (op.set) return op.set;
  if (op.decision !== 'reject') return model;
  return model === 'absent' ? 'present' : model === 'present' ? 'absent' : model;
}

/** The last edit of this reader that still counts, for undo. */
export function lastOwn(edits: Edit[], by: string): Edit | null {
  for (let i = edits.length - 1; i >= 0; i--) {
    const e = edits[i]!;
    if (e.by === by && !e.undone_by && e.op.type !== 'undo') return e;
  }
  return null;
}
