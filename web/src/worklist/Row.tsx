import type { Item } from '../api/types';
import { Mark, setWord, type Shape } from '../app/Mark';
import { studyPath } from '../app/router';
import { age, ago, date, moment, number, personName, probability } from '../format/format';
import { en } from '../texts/en';

const w = en.worklist;

export function gateOf(item: Item): { shape: Shape; word: string } {
  if (!item.gate) return { shape: 'none', word: w.notGated };
  if (!item.gate.analysable) return { shape: 'stop', word: w.notAnalysable };
  return item.gate.reasons.length > 0 ? { shape: 'caution', word: w.caution } : { shape: 'ok', word: w.analysable };
}

export interface RowProps {
  item: Item;
  current: boolean;
  open: boolean;
  now: number;
  columns: number;
  onFocus: () => void;
  onWhy: () => void;
  onDelete: (() => void) | null;
}

export function Row({ item, current, open, now, columns, onFocus, onWhy, onDelete }: RowProps) {
  const gate = gateOf(item);
  const reasonsId = `why-${item.study_uid}`;
  return (
    <>
      <tr
        class={current ? 'current' : ''}
        data-uid={item.study_uid}
        onClick={(e) => {
          if (!(e.target as Element).closest('a,button') && !getSelection()?.toString())
            (e.currentTarget.querySelector('a.patient') as HTMLElement | null)?.click();
        }}
      >
        <td class="state">
          <span class="cell">
            <Mark shape={item.state} /> {en.state[item.state]}
          </span>
          {item.signed && (
            <span class="cell signed">
              <Mark shape="signed" /> {en.signedState}
            </span>
          )}
        </td>
        <td class="priority">
          <button
            type="button"
            class="quiet"
            aria-expanded={open}
            aria-controls={open ? reasonsId : undefined}
            aria-label={`${w.why}: ${number(item.priority, 2)}`}
            onClick={onWhy}
          >
            <span class="bar" aria-hidden="true">
              <i style={{ width: `${(item.priority ?? 0) * 100}%` }} />
            </span>
            {number(item.priority, 2)}
          </button>
        </td>
        <td class="who">
          <a class="patient" href={studyPath(item.study_uid)} onFocus={onFocus}>
            {personName(item.patient_name)}
          </a>
          <small>{item.patient_id || en.none}</small>
        </td>
        <td class="age">
          {age(item.age)}
          {item.sex ? ` ${item.sex}` : ''}
        </td>
        <td class="what">
          <span>{date(item.study_date)}</span>
          <small>
            {[item.modality, item.description, w.images(item.n_images), item.has_prior ? w.prior : null].filter(Boolean).join(' · ')}
          </small>
        </td>
        <td class="gate">
          <span class="cell">
            <Mark shape={gate.shape} /> {gate.word}
          </span>
          {item.gate && item.gate.reasons.length > 0 && <small>{item.gate.reasons.map((r) => r.replace(/_/g, ' ')).join(', ')}</small>}
        </td>
        <td class="top-findings">
          {item.state === 'failed' ? (
            <span class="bad">{item.error ?? en.state.failed}</span>
          ) : item.top.length > 0 ? (
            <ul>
              {item.top.map((f) => (
                <li key={f.code} class={`chip chip-${f.set ?? 'none'}`}>
                  <Mark shape={f.set ?? 'none'} /> {f.name} <span class="p">{probability(f.probability)}</span>
                  <span class="sr"> {setWord(f.set)}</span>
                </li>
              ))}
            </ul>
          ) : (
            <span class="dim">
              {item.state === 'read' ? (item.gate?.analysable === false ? en.reading.group.not_assessed : w.nothingPresent) : w.notRead}
            </span>
          )}
        </td>
        <td class="uncertainty">
          <span class="bar" aria-hidden="true">
            <i style={{ width: `${(item.uncertainty ?? 0) * 100}%` }} />
          </span>
          {number(item.uncertainty, 2)}
        </td>
        <td class="received">
          <time dateTime={item.received} title={moment(item.received)}>
            {ago(item.received, now)}
          </time>
          {onDelete && (
            <button type="button" class="quiet delete" onClick={onDelete} aria-label={`${w.deleteStudy}: ${personName(item.patient_name)}`}>
              ✕
            </button>
          )}
        </td>
      </tr>
      {open && (
        <tr class="why" id={reasonsId}>
          <td colSpan={columns}>
            <strong>{w.whyTitle}:</strong> {item.priority_reasons.length > 0 ? item.priority_reasons.join(' · ') : w.noReasons}
          </td>
        </tr>
      )}
    </>
  );
}
