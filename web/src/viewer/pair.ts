import type { StudyImage } from '../api/types';

const kind = (view: string): string => (['pa', 'ap', 'frontal'].includes(view) ? 'frontal' : view);

/** The prior's image to lay beside: the same projection, else the same kind of view; a lateral is never paired with a frontal one. */
export function pairOf(current: Pick<StudyImage, 'view'>, prior: StudyImage[]): StudyImage | null {
  return (
    prior.find((i) => i.view === current.view) ??
    prior.find((i) => kind(i.view) === kind(current.view)) ??
    (kind(current.view) === 'unknown' || prior.every((i) => kind(i.view) === 'unknown') ? (prior[0] ?? null) : null)
  );
}

/** Frontal images first, as they are hung. */
export const hung = (images: StudyImage[]): StudyImage[] =>
  [...images].sort((a, b) => Number(kind(a.view) !== 'frontal') - Number(kind(b.view) !== 'frontal') || a.index - b.index);
