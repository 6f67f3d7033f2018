import { useState } from 'preact/hooks';
import type { Decision, EditedFinding, EditedRegion, FindingSet } from '../api/types';
import { Mark, setWord } from '../app/Mark';
import { number, probability, sentenceCase } from '../format/format';
import { en } from '../texts/en';
import type { ReadingContext } from './context';
import { GROUPS, grouped, groupOf, type Group, type Row } from './groups';

const r = en.reading;

export function FindingsPanel({ c, openRow }: { c: ReadingContext; openRow: string | null }) {
  const groups = grouped(c.study.reading?.findings ?? [], c.edited.findings);
  const [folded, setFolded] = useState<Set<Group>>(new Set(c.study.reading?.gate.analysable ? ['not_assessed'] : []));
  const toggle = (g: Group): void =>
    setFolded((s) => {
      const n = new Set(s);
      if (!n.delete(g)) n.add(g);
      return n;
    });
  return (
    <section class="findings" aria-labelledby="findings-title">
      <h2 id="findings-title" class="sr">
        {r.findingsTitle}
      </h2>
      {GROUPS.map((g) => {
        const rows = groups.get(g)!;
        if (rows.length === 0) return null;
        const hasSelected = rows.some((row) => row.code === openRow);
        const open = !folded.has(g) || hasSelected;
        return (
          <section key={g} class={`group group-${g}`} aria-labelledby={`group-${g}`}>
            <h3 id={`group-${g}`}>
              <button type="button" class="quiet" aria-expanded={open} onClick={() => toggle(g)}>
                <i aria-hidden="true">{open ? '▾' : '▸'}</i>
                <Mark shape={g === 'scored' || g === 'not_assessed' ? 'none' : g} /> {r.group[g]} <b>{rows.length}</b>
              </button>
              {open && r.groupNote[g] && <small>{r.groupNote[g]}</small>}
            </h3>
            {open && (
              <ul>
                {rows.map((row) => (
                  <FindingRow key={row.code} row={row} c={c} open={row.code === openRow} />
                ))}
              </ul>
            )}
          </section>
        );
      })}
    </section>
  );
}

function FindingRow({ row, c, open }: { row: Row; c: ReadingContext; open: boolean }) {
  const { model, edited } = row;
  const lit = c.lit.findings.has(row.code);
  const decide = (decision: Decision, set?: FindingSet): void =>
    c.submit({ type: 'finding', code: row.code, decision, ...(set ? { set } : {}) });
  return (
    <li class={`finding${lit ? ' lit' : ''}${open ? ' open' : ''}`} data-code={row.code}>
      <div class="line">
        <button
          type="button"
          class="name"
          aria-expanded={open}
          aria-current={open || undefined}
          onClick={() => c.select(open ? null : { kind: 'finding', code: row.code })}
        >
          <Mark shape={edited.set ?? 'none'} /> <span>{row.name}</span>
          <span class="sr">, {model?.status === 'not_assessed' && !edited.set ? r.group.not_assessed : setWord(edited.set)}</span>
        </button>
        <Probability p={edited.model_probability} threshold={model?.operating_point?.threshold ?? null} />
        {c.mayEdit && (
          <span class="acts">
            <button
              type="button"
              class="act"
              aria-pressed={edited.decision === 'accept'}
              disabled={edited.model_set === null}
              aria-label={`${r.accept}: ${row.name}`}
              title={r.accept}
              onClick={() => decide('accept')}
            >
              ✓
            </button>
            <button
              type="button"
              class="act"
              aria-pressed={edited.decision === 'reject'}
              disabled={edited.model_set === null}
              aria-label={`${r.reject}: ${row.name}`}
              title={r.reject}
              onClick={() => decide('reject')}
            >
              ✕
            </button>
            <select
              class={edited.decision === 'change' ? 'act changed' : 'act'}
              aria-label={r.changeLabel(row.name)}
              title={r.changeTo}
              value=""
              onChange={(e) => {
                const v = e.currentTarget.value as FindingSet | '';
                e.currentTarget.value = '';
                if (v) decide('change', v);
              }}
            >
              <option value="">…</option>
              {(['present', 'undecided', 'absent'] as const).map((s) => (
                <option key={s} value={s}>
                  {en.set[s]}
                </option>
              ))}
            </select>
          </span>
        )}
      </div>
      <Said edited={edited} row={row} />
      {open && <Details row={row} c={c} />}
    </li>
  );
}

/** The reader's answer beside the model's, never in its place. */
function Said({ edited, row }: { edited: EditedFinding; row: Row }) {
  if (!edited.decision || !edited.by) return null;
  const model = edited.model_set
    ? en.set[edited.model_set]
    : row.model?.status === 'assessed'
      ? r.group.scored.toLowerCase()
      : r.group.not_assessed.toLowerCase();
  return (
    <p class="said">
      <span class={edited.set === edited.model_set ? '' : 'overruled'}>{r.modelSaid(model)}</span>
      <span>
        <Mark shape={edited.set ?? 'none'} /> {r.readerSaid(edited.by, setWord(edited.set))} ({r.decision[edited.decision]})
      </span>
    </p>
  );
}

export function Probability({ p, threshold }: { p: number | null; threshold: number | null }) {
  if (p === null)
    return (
      <span class="prob none" aria-label={r.group.not_assessed}>
        {en.none}
      </span>
    );
  const side = threshold === null ? r.noPoint : p >= threshold ? `${r.positive} ${r.threshold}` : `${r.negative} ${r.threshold}`;
  return (
    <span class="prob" title={`${r.probability} ${probability(p)}, ${side}`}>
      <span class="scale" aria-hidden="true">
        <i style={{ width: `${p * 100}%` }} />
        {threshold !== null && <b style={{ left: `${threshold * 100}%` }} />}
      </span>
      <span class="num">
        <span class="sr">{r.probability} </span>
        {probability(p)}
        <span class="sr">, {side}</span>
      </span>
    </span>
  );
}

function Details({ row, c }: { row: Row; c: ReadingContext }) {
  const m = row.model;
  const regions = c.edited.regions.filter((x) => x.code === row.code);
  const u = m?.uncertainty;
  return (
    <div class="details">
      {m?.status === 'not_assessed' && (
        <p>
          {r.group.not_assessed}: {m.reason}
        </p>
      )}
      {m?.status === 'assessed' && (
        <dl>
          <dt>{r.setText}</dt>
          <dd>{setWord(m.set)}</dd>
          <dt>{r.probability}</dt>
          <dd>
            {number(m.probability, 3)}
            {m.operating_point && (
              <>
                {' '}
                ({m.operating_point.positive ? r.positive : r.negative} {r.threshold})
              </>
            )}
          </dd>
          {m.operating_point && (
            <>
              <dt>{sentenceCase(r.threshold)}</dt>
              <dd>
                {r.pointText(
                  number(m.operating_point.threshold, 3),
                  m.operating_point.rule,
                  probability(m.operating_point.sensitivity),
                  probability(m.operating_point.specificity),
                )}
              </dd>
            </>
          )}
          {u && (
            <>
              <dt>{r.entropy}</dt>
              <dd>{number(u.entropy, 2)}</dd>
            </>
          )}
          {u?.members && (
            <>
              <dt>{r.members(u.members.count)}</dt>
              <dd>
                {probability(u.members.low)}–{probability(u.members.high)}
              </dd>
            </>
          )}
          {u?.augmented && (
            <>
              <dt>{r.augmented(u.augmented.count)}</dt>
              <dd>
                {probability(u.augmented.low)}–{probability(u.augmented.high)}
              </dd>
            </>
          )}
          {u?.venn_abers && (
            <>
              <dt>{r.vennAbers}</dt>
              <dd>
                {probability(u.venn_abers.low)}–{probability(u.venn_abers.high)}
              </dd>
            </>
          )}
          {m.model && (
            <>
              <dt>{r.modelName}</dt>
              <dd>{m.model}</dd>
            </>
          )}
        </dl>
      )}
      <h4>{r.regionsOf}</h4>
      {regions.length === 0 ? (
        <p class="dim">{r.noRegions}</p>
      ) : (
        <ul class="places">
          {regions.map((g) => (
            <Place key={g.id} region={g} c={c} />
          ))}
        </ul>
      )}
      {regions.some((g) => m?.regions.some((x) => x.id === g.id && x.kind === 'activation_box')) && <p class="dim">{r.activationNote}</p>}
    </div>
  );
}

function Place({ region, c }: { region: EditedRegion; c: ReadingContext }) {
  const model = c.findingOf(region.code)?.regions.find((x) => x.id === region.id);
  const place = region.place ?? model?.place ?? null;
  const selected = c.selected?.kind === 'region' && c.selected.id === region.id;
  const who = region.removed
    ? r.removedBy(region.by ?? '')
    : region.source === 'reader'
      ? r.drawnBy(region.by ?? '')
      : `${r.model}, ${number(region.score ?? model?.score ?? null, 2)}`;
  return (
    <li class={region.removed ? 'removed' : ''}>
      <button
        type="button"
        class="quiet"
        aria-pressed={selected}
        onClick={() => c.select(selected ? { kind: 'finding', code: region.code } : { kind: 'region', id: region.id })}
      >
        {place ?? (region.source === 'reader' ? (region.polygon ? r.polygon : r.box) : region.id)} <small>{who}</small>
      </button>
      {c.mayEdit && !region.removed && (
        <button
          type="button"
          class="icon"
          aria-label={`${r.removeRegion}: ${place ?? region.id}`}
          onClick={() => c.submit({ type: 'region_remove', region: region.id })}
        >
          ✕
        </button>
      )}
    </li>
  );
}

/** Findings in the order they are shown, for J and K. */
export function findingOrder(c: Pick<ReadingContext, 'study' | 'edited'>): string[] {
  const groups = grouped(c.study.reading?.findings ?? [], c.edited.findings);
  return GROUPS.flatMap((g) => groups.get(g)!.map((row) => row.code));
}

export { groupOf };
