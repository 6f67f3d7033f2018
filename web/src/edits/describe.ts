import type { Edited, Op } from '../api/types';
import { number, sentenceCase } from '../format/format';
import { en } from '../texts/en';
import { digitsOf } from '../viewer/units';

/** An operation in words, for the history and for conflicts. */
export function describe(op: Op, edited: Edited | null): string {
  const name = (code: string): string => edited?.findings.find((f) => f.code === code)?.name ?? sentenceCase(code);
  switch (op.type) {
    case 'finding':
      return en.op.finding(name(op.code), en.reading.decision[op.decision], op.set ? en.set[op.set] : null);
    case 'region_add':
      return en.op.region_add(name(op.code));
    case 'region_remove':
      return en.op.region_remove(op.region);
    case 'region_change':
      return en.op.region_change(op.region);
    case 'sentence':
      return en.op.sentence(op.index, op.text);
    case 'sentence_add':
      return en.op.sentence_add(op.text);
    case 'sentence_remove':
      return en.op.sentence_remove(op.index);
    case 'measurement_add':
      return en.op.measurement_add(`${number(op.value, digitsOf(op.unit))} ${en.unit[op.unit]}`);
    case 'note':
      return en.op.note(op.text);
    case 'undo':
      return en.op.undo;
  }
}
