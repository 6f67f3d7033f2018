import type { Edited, Finding, Op, Study, StudyImage } from '../api/types';
import type { Lit, Selected } from './links';

/** What every panel of the reading page works with. */
export interface ReadingContext {
  study: Study;
  edited: Edited;
  lit: Lit;
  selected: Selected;
  select: (s: Selected) => void;
  submit: (op: Op) => void;
  mayEdit: boolean;
  user: string;
  image: StudyImage | null;
  nameOf: (code: string) => string;
  findingOf: (code: string) => Finding | null;
}
