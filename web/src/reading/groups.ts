import type { EditedFinding, Finding } from '../api/types';

export type Group = 'present' | 'undecided' | 'absent' | 'scored' | 'not_assessed';
export const GROUPS: Group[] = ['present', 'undecided', 'absent', 'scored', 'not_assessed'];

export interface Row {
  code: string;
  name: string;
  model: Finding | null;
  edited: EditedFinding;
}

/** Every finding has a place: one that was not assessed is a group of its own, never an absence. */
export function groupOf(row: Row): Group {
  if (row.edited.set) return row.edited.set;
  return row.model?.status === 'assessed' ? 'scored' : 'not_assessed';
}

export function grouped(findings: Finding[], edited: EditedFinding[]): Map<Group, Row[]> {
  const byCode = new Map(findings.map((f) => [f.code, f]));
  const out = new Map<Group, Row[]>(GROUPS.map((g) => [g, []]));
  for (const e of edited) {
    const row = { code: e.code, name: e.name, model: byCode.get(e.code) ?? null, edited: e };
    out.get(groupOf(row))!.push(row);
  }
  for (const rows of out.values()) rows.sort((a, b) => (b.edited.model_probability ?? -1) - (a.edited.model_probability ?? -1));
  return out;
}
