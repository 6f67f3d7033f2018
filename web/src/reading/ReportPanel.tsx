import { useEffect, useRef, useState } from 'preact/hooks';
import type { EditedSentence, Evidence, Section } from '../api/types';
import { sentenceCase } from '../format/format';
import { en } from '../texts/en';
import type { ReadingContext } from './context';

const r = en.reading;

export function ReportPanel({
  c,
  editing,
  setEditing,
}: {
  c: ReadingContext;
  editing: number | null;
  setEditing: (i: number | null) => void;
}) {
  const [adding, setAdding] = useState<Section | null>(null);
  return (
    <section class="report" aria-labelledby="report-title">
      <h2 id="report-title">{r.report}</h2>
      {(['findings', 'impression'] as const).map((section) => {
        const list = c.edited.sentences.filter((s) => s.section === section);
        return (
          <section key={section} aria-labelledby={`section-${section}`}>
            <h3 id={`section-${section}`}>
              {r.sections[section]}
              {c.mayEdit && (
                <button
                  type="button"
                  class="icon"
                  aria-label={`${r.addSentence}: ${r.sections[section]}`}
                  title={r.addSentence}
                  onClick={() => setAdding(section)}
                >
                  +
                </button>
              )}
            </h3>
            {list.length === 0 && <p class="dim">{r.emptySection}</p>}
            <ol>
              {list.map((s) => (
                <SentenceRow key={s.index} s={s} c={c} editing={editing === s.index} setEditing={setEditing} />
              ))}
            </ol>
            {adding === section && (
              <TextForm
                label={r.sentenceText}
                initial=""
                onCancel={() => setAdding(null)}
                onSave={(text) => {
                  c.submit({ type: 'sentence_add', section, text });
                  setAdding(null);
                }}
              />
            )}
          </section>
        );
      })}
    </section>
  );
}

function SentenceRow({
  s,
  c,
  editing,
  setEditing,
}: {
  s: EditedSentence;
  c: ReadingContext;
  editing: boolean;
  setEditing: (i: number | null) => void;
}) {
  const selected = c.selected?.kind === 'sentence' && c.selected.index === s.index;
  const lit = c.lit.sentences.has(s.index);
  if (editing) {
    return (
      <li class="sentence">
        <TextForm
          label={r.sentenceText}
          initial={s.text}
          onCancel={() => setEditing(null)}
          onSave={(text) => {
            if (text !== s.text) c.submit({ type: 'sentence', index: s.index, text });
            setEditing(null);
          }}
        />
      </li>
    );
  }
  const who = s.removed
    ? r.removedBy(s.by ?? '')
    : s.source === 'reader'
      ? s.model_text
        ? r.rewrittenBy(s.by ?? r.reader)
        : r.writtenBy(s.by ?? r.reader)
      : null;
  return (
    <li
      class={`sentence${lit ? ' lit' : ''}${s.removed ? ' removed' : ''}${s.source === 'reader' ? ' by-reader' : ''}`}
      data-sentence={s.index}
    >
      <button
        type="button"
        class="text"
        aria-pressed={selected}
        onClick={() => c.select(selected ? null : { kind: 'sentence', index: s.index })}
      >
        {s.removed ? <del>{s.text}</del> : s.text}
      </button>
      {who && <small class="who">{who}</small>}
      {s.model_text !== null && s.model_text !== s.text && (
        <small class="model-text">
          {r.modelWrote} <del>{s.model_text}</del>
        </small>
      )}
      {selected && <EvidenceList evidence={s.evidence} c={c} />}
      {c.mayEdit && !s.removed && (
        <span class="acts">
          <button
            type="button"
            class="act"
            aria-label={`${r.editSentence}: ${s.text}`}
            title={r.editSentence}
            onClick={() => setEditing(s.index)}
          >
            ✎
          </button>
          <button
            type="button"
            class="act"
            aria-label={`${r.removeSentence}: ${s.text}`}
            title={r.removeSentence}
            onClick={() => c.submit({ type: 'sentence_remove', index: s.index })}
          >
            ✕
          </button>
        </span>
      )}
    </li>
  );
}

function EvidenceList({ evidence, c }: { evidence: Evidence[]; c: ReadingContext }) {
  if (evidence.length === 0) return <small class="evidence">{r.noEvidence}</small>;
  const word = (e: Evidence): string => {
    if (e.kind === 'finding') return c.nameOf(e.ref);
    if (e.kind === 'region') {
      const region = c.edited.regions.find((x) => x.id === e.ref);
      return region
        ? `${c.nameOf(region.code)}: ${region.place ?? c.findingOf(region.code)?.regions.find((x) => x.id === e.ref)?.place ?? e.ref}`
        : e.ref;
    }
    return e.kind === 'image' ? r.imageN(Number(e.ref) + 1) : sentenceCase(e.ref);
  };
  return (
    <small class="evidence">
      {r.evidence}: {[...new Set(evidence.map(word))].join(', ')}
    </small>
  );
}

/** Ctrl+Enter saves, Esc leaves; the focus starts in the text. */
export function TextForm({
  label,
  initial,
  onSave,
  onCancel,
}: {
  label: string;
  initial: string;
  onSave: (text: string) => void;
  onCancel: () => void;
}) {
  const [text, setText] = useState(initial);
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    area.current?.focus();
    area.current?.setSelectionRange(initial.length, initial.length);
  }, []);
  const save = (): void => {
    if (text.trim()) onSave(text.trim());
  };
  return (
    <form
      class="text-form"
      onSubmit={(e) => {
        e.preventDefault();
        save();
      }}
    >
      <textarea
        ref={area}
        rows={3}
        aria-label={label}
        value={text}
        onInput={(e) => setText(e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
            e.preventDefault();
            save();
          }
          if (e.key === 'Escape') {
            e.preventDefault();
            e.stopPropagation();
            onCancel();
          }
        }}
      />
      <div>
        <button class="primary" disabled={!text.trim()}>
          {en.save}
        </button>
        <button type="button" onClick={onCancel}>
          {en.cancel}
        </button>
      </div>
    </form>
  );
}
