import { useState } from 'preact/hooks';
import { api, ApiError } from '../api/client';
import type { ClaimRow, Method, Plot, Run } from '../api/types';
import { useLoad, useTitle } from '../app/hooks';
import { Mark } from '../app/Mark';
import { Busy, Problem } from '../app/Problem';
import { moment, number } from '../format/format';
import { en } from '../texts/en';
import { Intervals, PlotFigure } from './Plots';
import '../styles/bench.css';

const b = en.bench;

/** A missing folder of runs is an empty list, not a fault of the page. */
const runs = (): Promise<Run[]> =>
  api.runs().catch((e: unknown) => {
    if (e instanceof ApiError && e.status === 404) return [];
    throw e;
  });
const rowsOf = (m: Method): ClaimRow[] => m.result?.rows ?? m.rows ?? [];

export function BenchPage({ name }: { name: string | null }) {
  useTitle(b.title);
  const { data, error, reload } = useLoad('bench', () => Promise.all([api.methods(), runs()]));
  const [chosen, setChosen] = useState<string[]>([]);
  const [kind, setKind] = useState('');
  if (error) return <Problem error={error} retry={reload} />;
  if (!data) return <Busy />;
  const [methods, runList] = data;
  const method = methods.find((m) => m.name === name) ?? null;
  const toggle = (key: string): void => setChosen((c) => (c.includes(key) ? c.filter((k) => k !== key) : [...c, key]));
  const kinds = [...new Set(methods.map((m) => m.data))];
  const picked = methods.filter((m) => chosen.includes(`m:${m.name}`)),
    pickedRuns = runList.filter((r) => chosen.includes(`r:${r.name}`));
  return (
    <div class="page bench">
      <h1>{b.title}</h1>
      <p class="dim">
        {b.intro} {b.dataKinds}
      </p>
      <div class="columns">
        <div>
          <div class="states" role="group" aria-label={b.data}>
            {['', ...kinds].map((k) => (
              <button key={k} type="button" aria-pressed={kind === k} onClick={() => setKind(k)}>
                {k || b.all}
              </button>
            ))}
          </div>
          <div class="wide-table">
            <table class="plain methods">
              <caption class="sr">{b.caption}</caption>
              <thead>
                <tr>
                  <th scope="col">
                    <span class="sr">{b.compare}</span>
                  </th>
                  <th scope="col">{b.card}</th>
                  <th scope="col">{b.method}</th>
                  <th scope="col">{b.tasks}</th>
                  <th scope="col">{b.data}</th>
                  <th scope="col">{b.verdict}</th>
                  <th scope="col">{b.here}</th>
                  <th scope="col">{b.interval}</th>
                </tr>
              </thead>
              <tbody>
                {methods
                  .filter((m) => !kind || m.data === kind)
                  .map((m) => (
                    <tr key={m.name} class={m.name === name ? 'current' : ''}>
                      <td>
                        <input
                          type="checkbox"
                          aria-label={b.compareWith(m.title)}
                          checked={chosen.includes(`m:${m.name}`)}
                          onChange={() => toggle(`m:${m.name}`)}
                        />
                      </td>
                      <td>{m.card ?? en.none}</td>
                      <th scope="row">
                        <a href={`/bench/${encodeURIComponent(m.name)}`} aria-current={m.name === name ? 'true' : undefined}>
                          {m.title}
                        </a>
                        <small>{m.name}</small>
                      </th>
                      <td>{m.tasks.join(', ')}</td>
                      <td>{m.data}</td>
                      <td>
                        <Verdict holds={m.holds} />
                      </td>
                      <td>{number(m.result?.here, 3)}</td>
                      <td>
                        <Interval of={m.result?.interval ?? null} />
                      </td>
                    </tr>
                  ))}
              </tbody>
            </table>
          </div>
          <section>
            <h2>{b.runs}</h2>
            {runList.length === 0 ? (
              <p class="dim">{b.noRuns}</p>
            ) : (
              <table class="plain">
                <thead>
                  <tr>
                    <th scope="col">
                      <span class="sr">{b.compare}</span>
                    </th>
                    <th scope="col">{b.run}</th>
                    <th scope="col">{b.method}</th>
                    <th scope="col">{b.started}</th>
                  </tr>
                </thead>
                <tbody>
                  {runList.map((r) => (
                    <tr key={r.name}>
                      <td>
                        <input
                          type="checkbox"
                          aria-label={b.compareWith(r.name)}
                          checked={chosen.includes(`r:${r.name}`)}
                          onChange={() => toggle(`r:${r.name}`)}
                        />
                      </td>
                      <th scope="row">{r.name}</th>
                      <td>{r.method}</td>
                      <td>
                        {r.started ? moment(r.started) : en.none}
                        {r.finished === false && `, ${b.unfinished}`}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </section>
        </div>
        <div class="detail">
          {chosen.length >= 2 ? (
            <SideBySide methods={picked} runs={pickedRuns} clear={() => setChosen([])} />
          ) : method ? (
            <MethodDetail m={method} />
          ) : (
            <p class="dim">{b.compareHint}</p>
          )}
          {chosen.length === 1 && (
            <p class="dim" role="status">
              {b.compareHint}
            </p>
          )}
        </div>
      </div>
    </div>
  );
}

export function Verdict({ holds }: { holds: boolean | null }) {
  const [shape, word] =
    holds === true ? (['ok', b.holds] as const) : holds === false ? (['failed', b.fails] as const) : (['none', b.open] as const);
  return (
    <span class={`verdict v-${holds}`}>
      <Mark shape={shape} /> {word}
    </span>
  );
}

const Interval = ({ of }: { of: [number, number] | null }) => <>{of ? `${number(of[0], 3)} – ${number(of[1], 3)}` : en.none}</>;

function MethodDetail({ m }: { m: Method }) {
  const rows = rowsOf(m),
    result = m.result;
  return (
    <article>
      <h2>
        {m.title} <Verdict holds={m.holds} />
      </h2>
      {(result?.claim ?? m.claim) && (
        <p>
          {b.claim}: {result?.claim ?? m.claim}
        </p>
      )}
      {m.link && /^https?:/.test(m.link) && (
        <p>
          <a href={m.link} target="_blank" rel="noreferrer noopener">
            {m.link}
          </a>
        </p>
      )}
      {!result && rows.length === 0 && <p class="dim">{b.noResult}</p>}
      {result && (
        <p class="dim">
          {b.version} {result.version} · {b.seeds} {result.seeds.join(', ')} · {b.data}: {result.data}
          {result.tiny && ` · ${b.tiny}`}
        </p>
      )}
      <Intervals rows={rows} title={m.title} />
      <h3>{b.plots}</h3>
      {!m.plots?.length ? (
        <p class="dim">{b.noPlots}</p>
      ) : (
        <div class="plots">
          {m.plots.map((p, i) => (
            <PlotFigure key={i} plot={p} />
          ))}
        </div>
      )}
      {rows.length > 0 && (
        <div class="wide-table">
          <table class="plain">
            <thead>
              <tr>
                <th scope="col">{b.claim}</th>
                <th scope="col">{b.paper}</th>
                <th scope="col">{b.here}</th>
                <th scope="col">{b.interval}</th>
                <th scope="col">{b.n}</th>
                <th scope="col">{b.verdict}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((r, i) => (
                <tr key={i}>
                  <th scope="row">
                    {r.claim}
                    {r.note && <small>{r.note}</small>}
                  </th>
                  <td>{number(r.paper, 3)}</td>
                  <td>{number(r.here, 3)}</td>
                  <td>
                    <Interval of={r.interval} />
                  </td>
                  <td>{number(r.n, 0)}</td>
                  <td>{r.holds === null ? <span class="dim">{b.undecidedRow}</span> : <Verdict holds={r.holds} />}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </article>
  );
}

function SideBySide({ methods, runs: list, clear }: { methods: Method[]; runs: Run[]; clear: () => void }) {
  const metrics = [...new Set(list.flatMap((r) => r.metrics.map((m) => m.name)))];
  const curves: Plot[] = [...new Set(list.flatMap((r) => r.curves.map((c) => c.name)))].map((name) => ({
    kind: 'training',
    title: name,
    series: list.flatMap((r) => r.curves.filter((c) => c.name === name).map((c) => ({ name: r.name, points: c.points }))),
  }));
  return (
    <section aria-labelledby="side-title">
      <h2 id="side-title">
        {b.compare}{' '}
        <button type="button" class="quiet" onClick={clear}>
          {b.clear}
        </button>
      </h2>
      {methods.length > 0 && (
        <div class="side">
          {methods.map((m) => (
            <article key={m.name}>
              <h3>{m.title}</h3>
              <p>
                <Verdict holds={m.holds} /> {b.data}: {m.data}
              </p>
              {m.result && (
                <p>
                  {m.result.claim}: <b>{number(m.result.here, 3)}</b> (<Interval of={m.result.interval} />)
                </p>
              )}
              <Intervals rows={rowsOf(m)} title={m.title} />
            </article>
          ))}
        </div>
      )}
      {list.length > 0 && (
        <>
          <table class="plain">
            <thead>
              <tr>
                <th scope="col">{b.metric}</th>
                {list.map((r) => (
                  <th key={r.name} scope="col">
                    {r.name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {metrics.map((name) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  {list.map((r) => (
                    <td key={r.name}>{number(r.metrics.find((m) => m.name === name)?.value, 4)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
          <div class="plots">
            {curves.map((p) => (
              <PlotFigure key={p.title} plot={p} />
            ))}
          </div>
        </>
      )}
    </section>
  );
}
