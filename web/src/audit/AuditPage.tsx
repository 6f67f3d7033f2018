import { api } from '../api/client';
import type { Session } from '../api/types';
import { useLoad, useTitle } from '../app/hooks';
import { Busy, Problem } from '../app/Problem';
import { go, studyPath } from '../app/router';
import { moment } from '../format/format';
import { en } from '../texts/en';
import '../styles/bench.css';

const a = en.audit;

export function AuditPage({ session, search }: { session: Session; search: string }) {
  useTitle(a.title);
  const study = new URLSearchParams(search).get('study') ?? '';
  const allowed = session.user?.role === 'admin';
  const { data, error, reload } = useLoad(`audit|${study}`, () => (allowed ? api.audit(study) : Promise.resolve([])));
  if (!allowed)
    return (
      <div class="page">
        <h1>{a.title}</h1>
        <p>{a.forbidden}</p>
      </div>
    );
  return (
    <div class="page audit">
      <h1>{a.title}</h1>
      <p class="dim">{a.intro}</p>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          const v = String(new FormData(e.currentTarget).get('study') ?? '').trim();
          go(v ? `/audit?study=${encodeURIComponent(v)}` : '/audit', true);
        }}
      >
        <label>
          {a.filter} <input name="study" defaultValue={study} />
        </label>
      </form>
      {error ? (
        <Problem error={error} retry={reload} />
      ) : !data ? (
        <Busy />
      ) : data.length === 0 ? (
        <p class="dim">{a.empty}</p>
      ) : (
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">{a.at}</th>
              <th scope="col">{a.by}</th>
              <th scope="col">{a.action}</th>
              <th scope="col">{a.study}</th>
            </tr>
          </thead>
          <tbody>
            {data.map((e, i) => (
              <tr key={i}>
                <td>{moment(e.at)}</td>
                <td>{e.by}</td>
                <td>{e.action}</td>
                <td>{e.study_uid ? <a href={studyPath(e.study_uid)}>{e.study_uid}</a> : en.none}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
