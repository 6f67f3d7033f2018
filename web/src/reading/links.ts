// Which parts of a reading belong together: a sentence and its evidence, a region and its sentences.
import type { Edited } from '../api/types';

export type Selected =
  | { kind: 'sentence'; index: number }
  | { kind: 'finding'; code: string }
  | { kind: 'region'; id: string }
  | { kind: 'measurement'; name: string }
  | null;

export interface Lit {
  sentences: Set<number>;
  findings: Set<string>;
  regions: Set<string>;
  measurements: Set<string>;
  gate: Set<string>;
  images: Set<number>;
}

const nothing = (): Lit => ({
  sentences: new Set(),
  findings: new Set(),
  regions: new Set(),
  measurements: new Set(),
  gate: new Set(),
  images: new Set(),
});

export function lit(selected: Selected, edited: Edited): Lit {
  const out = nothing();
  if (!selected) return out;
  switch (selected.kind) {
    case 'sentence':
      fromSentence(out, selected.index, edited);
      break;
    case 'finding':
      fromFinding(out, selected.code, edited);
      break;
    case 'region':
      fromRegion(out, selected.id, edited);
      break;
    case 'measurement':
      out.measurements.add(selected.name);
      sentencesOn(out, edited, (kind, ref) => kind === 'measurement' && ref === selected.name);
      break;
  }
  return out;
}

function fromSentence(out: Lit, index: number, edited: Edited): void {
  out.sentences.add(index);
  const sentence = edited.sentences.find((s) => s.index === index);
  for (const { kind, ref } of sentence?.evidence ?? []) {
    if (kind === 'region') {
      out.regions.add(ref);
      const code = edited.regions.find((r) => r.id === ref)?.code;
      if (code) out.findings.add(code);
    } else if (kind === 'finding') out.findings.add(ref);
    else if (kind === 'measurement') out.measurements.add(ref);
    else if (kind === 'gate') out.gate.add(ref);
    else out.images.add(Number(ref));
  }
  // A sentence that rests on a finding as a whole lights up its regions, unless it names some of them.
  if (out.regions.size === 0) for (const r of edited.regions) if (out.findings.has(r.code)) out.regions.add(r.id);
}

function fromFinding(out: Lit, code: string, edited: Edited): void {
  out.findings.add(code);
  for (const r of edited.regions) if (r.code === code) out.regions.add(r.id);
  sentencesOn(out, edited, (kind, ref) => (kind === 'finding' && ref === code) || (kind === 'region' && out.regions.has(ref)));
}

function fromRegion(out: Lit, id: string, edited: Edited): void {
  out.regions.add(id);
  const code = edited.regions.find((r) => r.id === id)?.code;
  if (code) out.findings.add(code);
  sentencesOn(out, edited, (kind, ref) => (kind === 'region' && ref === id) || (kind === 'finding' && ref === code));
}

function sentencesOn(out: Lit, edited: Edited, rests: (kind: string, ref: string) => boolean): void {
  for (const s of edited.sentences) if (!s.removed && s.evidence.some((e) => rests(e.kind, e.ref))) out.sentences.add(s.index);
}
