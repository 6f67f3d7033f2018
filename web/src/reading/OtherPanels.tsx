import { api } from '../api/client';
import type { CompareSide, EditedMeasurement, Explanation, PriorRef, StudyImage } from '../api/types';
import { Mark } from '../app/Mark';
import { useLoad } from '../app/hooks';
import { Busy, Problem } from '../app/Problem';
import { date, moment, number, probability, sentenceCase } from '../format/format';
import { describe } from '../edits/describe';
import type { Pending } from '../edits/useEdits';
import { en } from '../texts/en';
import { digitsOf } from '../viewer/units';
import type { ReadingContext } from './context';
import { TextForm } from './ReportPanel';

const r = en.reading;

export function unitText(unit: keyof typeof en.unit, image: StudyImage | null): string {
  if (unit === 'mm' && image?.spacing) return image.spacing.kind === 'pixel' ? en.unitPixelSpacing : en.unitCalibrated;
  return en.unit[unit];
}

export function MeasurementsPanel({ c }: { c: ReadingContext }) {
  const model = c.study.reading?.measurements ?? [];
  const mine = c.edited.measurements.filter((m) => m.source === 'reader');
  const image = (m: EditedMeasurement): StudyImage | null => c.study.images.find((i) => i.index === m.image) ?? c.image;
  return (
    <section class="measurements" aria-labelledby="measurements-title">
      <h2 id="measurements-title">{r.measurements}</h2>
      {model.length === 0 && mine.length === 0 && <p class="dim">{r.noMeasurements}</p>}
      <ul>
        {model.map((m) => {
          const selected = c.selected?.kind === 'measurement' && c.selected.name === m.name;
          return (
            <li key={m.name} class={c.lit.measurements.has(m.name) ? 'lit' : ''}>
              <button
                type="button"
                class="quiet"
                aria-pressed={selected}
                onClick={() => c.select(selected ? null : { kind: 'measurement', name: m.name })}
              >
                <span>{sentenceCase(m.name)}</span>
                <b>{m.value === null ? en.none : `${number(m.value, digitsOf(m.unit))} ${unitText(m.unit, c.image)}`}</b>
              </button>
              {m.interval && (
                <small>{r.interval(number(m.interval.low, 2), number(m.interval.high, 2), `${number(m.interval.level * 100, 0)} %`)}</small>
              )}
              {m.note && <small>{m.note}</small>}
            </li>
          );
        })}
        {mine.map((m) => (
          <li key={m.id} class={m.removed ? 'removed' : ''}>
            <p>
              <span>{sentenceCase(m.name)}</span>
              <b>
                {number(m.value, digitsOf(m.unit))} {unitText(m.unit, image(m))}
              </b>
            </p>
            <small>
              {m.by}
              {c.mayEdit && typeof m.id === 'number' && (
                <button
                  type="button"
                  class="icon"
                  aria-label={`${r.removeRegion}: ${sentenceCase(m.name)}`}
                  onClick={() => c.submit({ type: 'undo', edit: Number(m.id) })}
                >
                  ✕
                </button>
              )}
            </small>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function NotesPanel({ c, adding, setAdding }: { c: ReadingContext; adding: boolean; setAdding: (a: boolean) => void }) {
  return (
    <section class="notes" aria-labelledby="notes-title">
      <h2 id="notes-title">
        {r.notes}
        {c.mayEdit && (
          <button type="button" class="icon" aria-label={r.addNote} title={r.addNote} aria-keyshortcuts="M" onClick={() => setAdding(true)}>
            +
          </button>
        )}
      </h2>
      {c.edited.notes.length === 0 && !adding && <p class="dim">{r.noNotes}</p>}
      <ul>
        {c.edited.notes.map((n) => (
          <li key={n.id}>
            <p>{n.text}</p>
            <small>
              {n.by}, {moment(n.at)}
            </small>
          </li>
        ))}
      </ul>
      {adding && (
        <TextForm
          label={r.noteText}
          initial=""
          onCancel={() => setAdding(false)}
          onSave={(text) => {
            c.submit({ type: 'note', text });
            setAdding(false);
          }}
        />
      )}
    </section>
  );
}

export function ChangePanel({
  c,
  prior,
  choose,
  shown,
  toggle,
}: {
  c: ReadingContext;
  prior: PriorRef | null;
  choose: (uid: string) => void;
  shown: boolean;
  toggle: () => void;
}) {
  const uid = c.study.item.study_uid;
  const { data, error, loading, reload } = useLoad(`${uid}|${prior?.study_uid ?? ''}`, (signal) =>
    prior ? api.compare(uid, prior.study_uid, signal) : Promise.resolve(null),
  );
  if (!prior) return <p class="dim pad">{r.noPrior}</p>;
  return (
    <section class="change" aria-labelledby="change-title">
      <h2 id="change-title">{r.changeTitle}</h2>
      <div class="row">
        {c.study.priors.length > 1 && (
          <select aria-label={r.choosePrior} value={prior.study_uid} onChange={(e) => choose(e.currentTarget.value)}>
            {c.study.priors.map((p) => (
              <option key={p.study_uid} value={p.study_uid}>
                {date(p.study_date)}
              </option>
            ))}
          </select>
        )}
        <button type="button" aria-pressed={shown} aria-keyshortcuts="C" onClick={toggle}>
          {shown ? r.hidePrior : r.showPrior}
        </button>
      </div>
      {error && <Problem error={error} retry={reload} />}
      {loading && !data && <Busy />}
      {data && (
        <>
          {data.not_comparable && (
            <p class="banner caution" role="note">
              <Mark shape="caution" /> {data.not_comparable}
            </p>
          )}
          <table class="plain">
            <caption>{r.changeCaption(date(prior.study_date))}</caption>
            <thead>
              <tr>
                <th scope="col">{r.findingsTitle}</th>
                <th scope="col">{r.prior}</th>
                <th scope="col">{r.current}</th>
                <th scope="col">{r.delta}</th>
              </tr>
            </thead>
            <tbody>
              {data.rows.length === 0 && !data.not_comparable && (
                <tr>
                  <td colSpan={4}>{r.nothingToCompare}</td>
                </tr>
              )}
              {data.rows.map((row) => (
                <tr key={row.code} class={`ch-${row.change}${c.lit.findings.has(row.code) ? ' lit' : ''}`}>
                  <th scope="row">
                    <button type="button" class="quiet" onClick={() => c.select({ kind: 'finding', code: row.code })}>
                      {row.name}
                    </button>
                  </th>
                  <ComparedCell of={row.prior} />
                  <ComparedCell of={row.current} />
                  <td>
                    <b>{r.change[row.change]}</b>
                    {row.text && <small>{row.text}</small>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {data.measurements.length > 0 && (
            <table class="plain">
              <caption>{r.measurements}</caption>
              <thead>
                <tr>
                  <th scope="col">{r.measurements}</th>
                  <th scope="col">{r.prior}</th>
                  <th scope="col">{r.current}</th>
                  <th scope="col">{r.delta}</th>
                </tr>
              </thead>
              <tbody>
                {data.measurements.map((m) => {
                  const digits = m.unit ? digitsOf(m.unit) : 2,
                    signed = m.delta === null ? en.none : `${m.delta > 0 ? '+' : ''}${number(m.delta, digits)}`;
                  return (
                    <tr key={m.name}>
                      <th scope="row">{sentenceCase(m.name)}</th>
                      <td>{number(m.prior, digits)}</td>
                      <td>{number(m.current, digits)}</td>
                      <td>
                        <b>
                          {signed} {m.unit && en.unit[m.unit]}
                        </b>
                        {m.text && <small>{m.text}</small>}
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          )}
          <p class="dim">{r.changeNote}</p>
        </>
      )}
    </section>
  );
}

/** What one of the two readings says of a finding. */
const ComparedCell = ({ of }: { of: CompareSide | null }) => (
  <td>
    {of ? (
      <>
        <Mark shape={of.set ?? 'none'} /> {probability(of.probability)}
        <span class="sr"> {of.set ? en.set[of.set] : r.unset}</span>
      </>
    ) : (
      en.none
    )}
  </td>
);

export const verdictOf = (e: Pick<Explanation, 'trust'>): 'unjudged' | 'believable' | 'notTrusted' =>
  e.trust === null ? 'unjudged' : e.trust.trusted ? 'believable' : 'notTrusted';

export function WhyPanel({ c, map, showMap }: { c: ReadingContext; map: string | null; showMap: (id: string | null) => void }) {
  const reading = c.study.reading;
  const explained = (reading?.findings ?? []).filter((f) => (f.explanations?.length ?? 0) > 0);
  const overlayOf = (code: string, image: number, method: string): string | null => {
    const maps = c.study.images.find((i) => i.index === image)?.overlays.filter((o) => o.kind === 'map' && o.finding === code) ?? [];
    return (
      (
        maps.find((o) => o.method === method) ??
        maps.find((o) => o.id.includes(method)) ??
        (maps.length === 1 && !maps[0]!.method ? maps[0] : undefined)
      )?.id ?? null
    );
  };
  return (
    <>
      <section class="why" aria-labelledby="explain-title">
        <h2 id="explain-title">{r.explainTitle}</h2>
        {explained.length === 0 ? <p class="dim">{r.noExplain}</p> : <p class="dim">{r.believeNote}</p>}
        {explained.map((f) => (
          <section key={f.code}>
            <h3>
              <button type="button" class="quiet" onClick={() => c.select({ kind: 'finding', code: f.code })}>
                {f.name}
              </button>
            </h3>
            <ul>
              {f.explanations!.map((e) => {
                const id = overlayOf(f.code, e.image, e.method),
                  key = `${e.image}:${id}`;
                const verdict = verdictOf(e);
                return (
                  <li key={`${e.image}-${e.method}`}>
                    <span>
                      <Mark shape={verdict === 'believable' ? 'ok' : verdict === 'notTrusted' ? 'caution' : 'none'} /> {e.method}:{' '}
                      <b>{r[verdict]}</b>
                    </span>
                    {e.trust && (
                      <small>{r.trustText(number(e.trust.deletion, 2), number(e.trust.insertion, 2), number(e.trust.p, 2))}</small>
                    )}
                    {e.note && <small>{e.note}</small>}
                    {id ? (
                      <button type="button" aria-pressed={map === key} onClick={() => showMap(map === key ? null : key)}>
                        {map === key ? r.hideMap : r.showMap}
                      </button>
                    ) : (
                      <small>{r.noMapFile}</small>
                    )}
                  </li>
                );
              })}
            </ul>
          </section>
        ))}
      </section>
      <section class="similar" aria-labelledby="similar-title">
        <h2 id="similar-title">{r.similarTitle}</h2>
        {!reading?.similar?.length && <p class="dim">{r.noSimilar}</p>}
        {reading?.similar?.map((s) => (
          <div key={s.image}>
            <p class="dim">
              {r.similarModel(s.model)}
              {s.note && `; ${s.note}`}
            </p>
            {s.cases.length > 0 && (
              <table class="plain">
                <thead>
                  <tr>
                    <th scope="col">{r.case}</th>
                    <th scope="col">{r.labels}</th>
                    <th scope="col">{r.distance}</th>
                    <th scope="col">{r.percentile}</th>
                  </tr>
                </thead>
                <tbody>
                  {s.cases.map((k) => (
                    <tr key={k.id}>
                      <th scope="row">{k.id}</th>
                      <td>{k.labels.join(', ') || en.none}</td>
                      <td>{number(k.distance, 3)}</td>
                      <td>{k.percentile === null ? en.none : `${number(k.percentile * 100, 0)} %`}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </div>
        ))}
      </section>
    </>
  );
}

export function HistoryPanel({ c, pending, flush }: { c: ReadingContext; pending: Pending[]; flush: () => void }) {
  const p = c.study.reading?.provenance;
  return (
    <section class="history" aria-labelledby="history-title">
      <h2 id="history-title">{r.historyTitle}</h2>
      {pending.length > 0 && (
        <div class="pending">
          <p>
            {r.pending(pending.length)}{' '}
            <button type="button" onClick={flush}>
              {r.sendNow}
            </button>
          </p>
          <ul>
            {pending.map((x) => (
              <li key={x.key}>{describe(x.op, c.edited)}</li>
            ))}
          </ul>
        </div>
      )}
      {c.study.edits.length === 0 && <p class="dim">{r.noEdits}</p>}
      <ol reversed>
        {[...c.study.edits].reverse().map((e) => (
          <li key={e.id} class={e.undone_by ? 'removed' : ''}>
            <span>{describe(e.op, c.edited)}</span>
            <small>
              {e.by}, {moment(e.at)}
              {e.undone_by !== null && `, ${r.undone}`}
              {c.edited.stale?.includes(e.id) && `, ${r.stale}`}
            </small>
            {c.mayEdit && e.undone_by === null && e.op.type !== 'undo' && e.by === c.user && (
              <button
                type="button"
                class="quiet"
                aria-label={`${r.undo}: ${describe(e.op, c.edited)}`}
                onClick={() => c.submit({ type: 'undo', edit: e.id })}
              >
                {r.undo}
              </button>
            )}
          </li>
        ))}
      </ol>
      {p && (
        <p class="dim">
          {r.provenance} Hilum {p.version}, {p.models.map((m) => `${m.name} ${m.sha256.slice(0, 8)}`).join(', ')}, {p.recipe}
        </p>
      )}
    </section>
  );
}
