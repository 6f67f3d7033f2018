import { useEffect, useRef, useState } from 'preact/hooks';
import { api } from '../api/client';
import type { Item, Session, StudyState } from '../api/types';
import { useKeys, plain } from '../app/keys';
import { useLoad, useNow, useServerEvents, useThrottled, useTitle } from '../app/hooks';
import { Problem } from '../app/Problem';
import { go } from '../app/router';
import { say } from '../app/say';
import { personName } from '../format/format';
import { en } from '../texts/en';
import { format, moved, PAGE, parse, sortBy, toServer, type Query, type SortKey } from './query';
import { rememberOrder } from './order';
import { Row } from './Row';
import { filesOf } from './send';
import { add } from './uploads';
import { Uploads } from './Uploads';

const w = en.worklist;
const COLUMNS: { key: keyof typeof w.columns; sort: SortKey | null }[] = [
  { key: 'state', sort: 'state' },
  { key: 'priority', sort: 'priority' },
  { key: 'patient', sort: 'patient' },
  { key: 'age', sort: null },
  { key: 'date', sort: 'date' },
  { key: 'gate', sort: null },
  { key: 'top', sort: null },
  { key: 'uncertainty', sort: 'uncertainty' },
  { key: 'received', sort: 'age' },
];
const STATES: StudyState[] = ['waiting', 'reading', 'read', 'failed'];
let lastFocused: string | null = null;

export function WorkList({ session, search }: { session: Session; search: string }) {
  useTitle(w.title);
  const query = parse(search);
  const key = toServer(query).toString();
  const { data, error, loading, reload } = useLoad(key, (signal) => api.worklist(toServer(query), signal));
  useServerEvents(useThrottledEvents(reload));
  const now = useNow();
  const [open, setOpen] = useState<Set<string>>(new Set());
  const [at, setAt] = useState(0);
  const search$ = useRef<HTMLInputElement>(null);
  const upload$ = useRef<HTMLInputElement>(null);
  const table = useRef<HTMLTableElement>(null);
  const items = data?.items ?? [];
  const mayUpload = session.user?.role !== 'reader';
  const set = (next: Query): void => go(`/${format(next)}`, true);

  useEffect(() => {
    rememberOrder(items);
  }, [data]);
  const restored = useRef(false);
  useEffect(() => {
    if (restored.current || !data) return;
    restored.current = true;
    const back = items.findIndex((i) => i.study_uid === lastFocused);
    if (back >= 0) focusRow(back);
  }, [data]);

  const focusRow = (index: number): void => {
    setAt(index);
    const link = table.current?.querySelectorAll<HTMLElement>('a.patient')[index];
    link?.focus();
    link?.scrollIntoView({ block: 'nearest' });
  };
  const toggle = (uid: string): void =>
    setOpen((s) => {
      const n = new Set(s);
      if (!n.delete(uid)) n.add(uid);
      return n;
    });

  useKeys((e) => {
    if (!plain(e)) return false;
    switch (e.key) {
      case 'j':
      case 'ArrowDown':
        if (items.length) focusRow(onRow() ? moved(at, 1, items.length) : at);
        return items.length > 0;
      case 'k':
      case 'ArrowUp':
        if (items.length) focusRow(onRow() ? moved(at, -1, items.length) : at);
        return items.length > 0;
      case '/':
        search$.current?.focus();
        return true;
      case 'i': {
        const item = items[at];
        if (item) toggle(item.study_uid);
        return true;
      }
      case 'u':
        if (mayUpload) upload$.current?.click();
        return true;
      default:
        return false;
    }
  });

  const remove = (item: Item): void => {
    if (!confirm(w.deleteSure(personName(item.patient_name)))) return;
    api.remove(item.study_uid).then(
      () => {
        say(w.deleted);
        reload();
      },
      (e: Error) => say(en.failed(e.message), true),
    );
  };

  const dropped = useDrop(mayUpload);
  const counts = data?.counts;
  const filtered = Boolean(query.q || query.state || query.finding);
  return (
    <div class="page worklist">
      <div class="bar-top">
        <h1>{w.title}</h1>
        <search class="filters">
          <input
            ref={search$}
            type="search"
            value={query.q}
            placeholder={w.search}
            aria-label={w.search}
            aria-keyshortcuts="/"
            onInput={debounced((value) => set({ ...query, q: value, offset: 0 }))}
            onKeyDown={(e) => {
              if (e.key === 'Escape') {
                e.currentTarget.blur();
              }
            }}
          />
          <div class="states" role="group" aria-label={w.state}>
            <button type="button" aria-pressed={query.state === ''} onClick={() => set({ ...query, state: '', offset: 0 })}>
              {w.anyState}
            </button>
            {STATES.map((s) => (
              <button
                key={s}
                type="button"
                aria-pressed={query.state === s}
                onClick={() => set({ ...query, state: query.state === s ? '' : s, offset: 0 })}
              >
                {en.state[s]}
                {counts && (
                  <>
                    {' '}
                    <b>{counts[s]}</b>
                  </>
                )}
              </button>
            ))}
          </div>
          <FindingFilter query={query} items={items} onChange={(finding) => set({ ...query, finding, offset: 0 })} />
        </search>
        {mayUpload && (
          <div class="upload-buttons">
            <label class="button primary">
              {en.upload.choose}
              <input
                ref={upload$}
                type="file"
                multiple
                onChange={(e) => {
                  add([...(e.currentTarget.files ?? [])]);
                  e.currentTarget.value = '';
                }}
              />
            </label>
            <label class="button">
              {en.upload.chooseFolder}
              <input
                type="file"
                multiple
                {...{ webkitdirectory: true }}
                onChange={(e) => {
                  add([...(e.currentTarget.files ?? [])]);
                  e.currentTarget.value = '';
                }}
              />
            </label>
          </div>
        )}
      </div>
      <Uploads />
      {error && <Problem error={error} retry={reload} />}
      <div class="table-wrap">
        <table ref={table} aria-busy={loading} aria-describedby="count">
          <caption class="sr">
            {w.title}, {w.sorted(w.sort[query.sort], query.order)}
          </caption>
          <thead>
            <tr>
              {COLUMNS.map(({ key: k, sort }) => (
                <th
                  key={k}
                  class={k}
                  scope="col"
                  aria-sort={sort === query.sort ? (query.order === 'asc' ? 'ascending' : 'descending') : undefined}
                >
                  {sort ? (
                    <button type="button" onClick={() => set(sortBy(query, sort))}>
                      {w.columns[k]}
                      <i aria-hidden="true">{sort === query.sort ? (query.order === 'asc' ? '▲' : '▼') : ''}</i>
                    </button>
                  ) : (
                    w.columns[k]
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {items.map((item, i) => (
              <Row
                key={item.study_uid}
                item={item}
                current={i === at}
                open={open.has(item.study_uid)}
                now={now}
                columns={COLUMNS.length}
                onFocus={() => {
                  setAt(i);
                  lastFocused = item.study_uid;
                }}
                onWhy={() => toggle(item.study_uid)}
                onDelete={session.user?.role === 'admin' ? () => remove(item) : null}
              />
            ))}
          </tbody>
        </table>
        {data && items.length === 0 && (
          <p class="empty">
            {filtered ? (
              <>
                {w.emptyFiltered}{' '}
                <button type="button" onClick={() => go('/', true)}>
                  {w.clear}
                </button>
              </>
            ) : (
              w.empty
            )}
          </p>
        )}
      </div>
      <footer class="bar-bottom">
        <p id="count" role="status">
          {data ? w.count(items.length ? data.offset + 1 : 0, data.offset + items.length, data.total) : en.loading}
        </p>
        <button type="button" disabled={query.offset === 0} onClick={() => set({ ...query, offset: Math.max(0, query.offset - PAGE) })}>
          {w.previous}
        </button>
        <button
          type="button"
          disabled={!data || data.offset + items.length >= data.total}
          onClick={() => set({ ...query, offset: query.offset + PAGE })}
        >
          {w.next}
        </button>
        <details class="triage">
          <summary>{w.triage.title}</summary>
          <div>
            {w.triage.text.map((t) => (
              <p key={t}>{t}</p>
            ))}
          </div>
        </details>
      </footer>
      {dropped && (
        <div class="dropzone">
          <p>{en.upload.drop}</p>
        </div>
      )}
    </div>
  );
}

const onRow = (): boolean => Boolean(document.activeElement?.matches('a.patient'));

function useThrottledEvents(reload: () => void): () => void {
  return useThrottled(reload, 400);
}

function FindingFilter({ query, items, onChange }: { query: Query; items: Item[]; onChange: (code: string) => void }) {
  // Grows with what was seen: the server's filter works on any code, the list only helps to choose.
  const known = useRef(new Map<string, string>());
  for (const item of items) for (const f of item.top) known.current.set(f.code, f.name);
  if (query.finding && !known.current.has(query.finding)) known.current.set(query.finding, query.finding.replace(/_/g, ' '));
  return (
    <select value={query.finding} aria-label={w.finding} onChange={(e) => onChange(e.currentTarget.value)}>
      <option value="">{w.anyFinding}</option>
      {[...known.current]
        .sort((a, b) => a[1].localeCompare(b[1]))
        .map(([code, name]) => (
          <option key={code} value={code}>
            {name}
          </option>
        ))}
    </select>
  );
}

let timer: ReturnType<typeof setTimeout> | undefined;
const debounced =
  (f: (value: string) => void) =>
  (e: { currentTarget: HTMLInputElement }): void => {
    const { value } = e.currentTarget;
    clearTimeout(timer);
    timer = setTimeout(() => f(value), 200);
  };

/** Whether files are held over the window; what is dropped goes to the server. */
function useDrop(enabled: boolean): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    if (!enabled) return;
    let depth = 0;
    const hasFiles = (e: DragEvent): boolean => Boolean(e.dataTransfer?.types.includes('Files'));
    const enter = (e: DragEvent): void => {
      if (hasFiles(e)) {
        depth++;
        setOver(true);
        e.preventDefault();
      }
    };
    const leave = (e: DragEvent): void => {
      if (hasFiles(e) && --depth <= 0) {
        depth = 0;
        setOver(false);
      }
    };
    const move = (e: DragEvent): void => {
      if (hasFiles(e)) e.preventDefault();
    };
    const drop = (e: DragEvent): void => {
      if (!hasFiles(e)) return;
      e.preventDefault();
      depth = 0;
      setOver(false);
      filesOf(e.dataTransfer!.items).then(
        (files) => (files.length ? add(files) : say(en.upload.none, true)),
        (err: Error) => say(en.failed(err.message), true),
      );
    };
    addEventListener('dragenter', enter);
    addEventListener('dragleave', leave);
    addEventListener('dragover', move);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('dragenter', enter);
      removeEventListener('dragleave', leave);
      removeEventListener('dragover', move);
      removeEventListener('drop', drop);
    };
  }, [enabled]);
  return over;
}
