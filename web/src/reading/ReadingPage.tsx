import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api, ApiError } from '../api/client';
import type { Session, Study } from '../api/types';
import { inText, plain, useKeys } from '../app/keys';
import { useLoad, useServerEvents, useThrottled, useTitle } from '../app/hooks';
import { Mark } from '../app/Mark';
import { Busy, Problem } from '../app/Problem';
import { go, studyPath } from '../app/router';
import { say } from '../app/say';
import { ConflictDialog } from '../edits/ConflictDialog';
import { ReadAgainDialog } from '../edits/ReadAgainDialog';
import { useEdits } from '../edits/useEdits';
import { age, date, personName, sentenceCase } from '../format/format';
import { en } from '../texts/en';
import { hung } from '../viewer/pair';
import { begin } from '../viewer/pixels';
import { ViewStore } from '../viewer/store';
import { fitted, panBy, windowBy, zoomAt, type Size } from '../viewer/view';
import type { Tool } from '../viewer/Viewport';
import { neighbour } from '../worklist/order';
import type { ReadingContext } from './context';
import { FindingsPanel, findingOrder } from './FindingsPanel';
import { lit, type Selected } from './links';
import { ChangePanel, HistoryPanel, MeasurementsPanel, NotesPanel, WhyPanel } from './OtherPanels';
import { START, type Layers } from './Overlays';
import { ReportPanel } from './ReportPanel';
import { ExportMenu, SignDialog, SignState } from './Sign';
import { oneToOne, Stage, startView, TOOLS, windowFor } from './Stage';
import '../styles/reading.css';

const r = en.reading;
const TABS = ['findings', 'change', 'why', 'history'] as const;
type Tab = (typeof TABS)[number];

/** About the place that the image will have (reading.css): what is left of the window beside the panel and below the heads. */
function portAhead(): Size {
  const panel = Math.min(608, Math.max(448, 0.27 * innerWidth));
  return { width: Math.max(1, innerWidth - panel), height: Math.max(1, innerHeight - 140) };
}

/** The image is on its way while the page around it is made. */
function ahead(study: Study): Study {
  const first = hung(study.images)[0];
  if (first && !first.error) begin(first.pixels_url, first.columns, first.rows, portAhead());
  return study;
}

export function ReadingPage({ uid, session, search }: { uid: string; session: Session; search: string }) {
  const { data, error, reload } = useLoad(uid, (signal) => api.study(uid, signal).then(ahead));
  const [deleted, setDeleted] = useState(false);
  const soon = useThrottled(reload, 150);
  useServerEvents((e) => {
    if (e.study_uid !== null && e.study_uid !== uid) return;
    if (e.type === 'deleted' || e.state === 'deleted') setDeleted(true);
    else soon();
  });
  const gone = error instanceof ApiError && error.status === 404;
  useEffect(() => {
    if (gone && data) setDeleted(true);
  }, [gone]);
  useTitle(data ? r.title(personName(data.item.patient_name)) : en.room);
  if (!data) {
    if (gone)
      return (
        <div class="page">
          <h1>{r.gone}</h1>
          <p>
            <a href="/">{en.backToList}</a>
          </p>
        </div>
      );
    return error ? <Problem error={error} retry={reload} /> : <Busy />;
  }
  return <Reading study={data} session={session} search={search} reload={reload} deleted={deleted} />;
}

function Reading({
  study,
  session,
  search,
  reload,
  deleted,
}: {
  study: Study;
  session: Session;
  search: string;
  reload: () => void;
  deleted: boolean;
}) {
  const user = session.user!.name;
  const uid = study.item.study_uid;
  const edits = useEdits(study, user, reload);
  const edited = edits.edited ?? study.edited;
  const mayEdit = session.user!.role !== 'reader' && study.reading !== null && !deleted;

  // Whoever looks at a finding must not have it changed without a word.
  const seen = useRef(study.reading_hash);
  useEffect(() => {
    if (seen.current !== null && study.reading_hash !== seen.current) say(r.newReading);
    seen.current = study.reading_hash;
  }, [study.reading_hash]);

  const [selected, select] = useState<Selected>(null);
  const [tab, setTab] = useState<Tab>('findings');
  const [tool, setTool] = useState<Tool>('window');
  const [layers, setLayers] = useState<Layers>(START);
  const [editing, setEditing] = useState<number | null>(null);
  const [noting, setNoting] = useState(false);
  const [signing, setSigning] = useState(false);
  const [linked, setLinked] = useState(true);
  const [draw, setDraw] = useState<string | null>(null);

  const images = useMemo(() => hung(study.images), [study.images]);
  const [imageIndex, chooseImage] = useState(images[0]?.index ?? 0);
  const image = images.find((i) => i.index === imageIndex) ?? images[0] ?? null;
  const store = useMemo(() => new ViewStore(image ? startView(image) : fitted({ center: 0, width: 1 })), [uid, image?.pixels_url]);

  const query = new URLSearchParams(search);
  const wanted = query.get('prior');
  const prior = study.priors.find((p) => p.study_uid === wanted) ?? study.prior ?? study.priors[0] ?? null;
  const showPrior = wanted !== null && prior !== null;
  const choosePrior = (p: string | null): void => go(`${studyPath(uid)}${p ? `?prior=${encodeURIComponent(p)}` : ''}`, true);
  const togglePrior = prior
    ? (): void => {
        choosePrior(showPrior ? null : prior.study_uid);
        if (!showPrior) setTab('change');
      }
    : null;

  const links = useMemo(() => lit(selected, edited), [selected, edited]);
  const names = useMemo(() => new Map(edited.findings.map((f) => [f.code, f.name])), [edited.findings]);
  const findings = useMemo(() => new Map(study.reading?.findings.map((f) => [f.code, f]) ?? []), [study.reading]);
  const c: ReadingContext = {
    study,
    edited,
    lit: links,
    selected,
    select,
    submit: edits.submit,
    mayEdit,
    user,
    image,
    nameOf: (code) => names.get(code) ?? sentenceCase(code),
    findingOf: (code) => findings.get(code) ?? null,
  };
  const openRow =
    selected?.kind === 'finding'
      ? selected.code
      : selected?.kind === 'region'
        ? (edited.regions.find((x) => x.id === selected.id)?.code ?? null)
        : null;
  const drawCode = draw ?? openRow ?? edited.findings.find((f) => f.set === 'present')?.code ?? edited.findings[0]?.code ?? '';

  // A sentence may rest on a place in another image of the study: that image comes up.
  useEffect(() => {
    const on = edited.regions.filter((x) => links.regions.has(x.id) && !x.removed);
    if (on.length > 0 && image && !on.some((x) => x.image === image.index)) chooseImage(on[0]!.image);
  }, [selected]);
  useEffect(() => {
    setDraw(null);
  }, [openRow]);
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    panel.current?.querySelector('.lit')?.scrollIntoView({ block: 'nearest' });
    if (selected?.kind === 'region' || selected?.kind === 'finding')
      panel.current?.querySelector('.finding.open')?.scrollIntoView({ block: 'nearest' });
  }, [selected]);

  useReadingKeys({
    c,
    edits,
    tool,
    setTool,
    layers,
    setLayers,
    store,
    images,
    image,
    chooseImage,
    togglePrior,
    setEditing,
    setTab,
    note: () => {
      setTab('findings');
      setNoting(true);
    },
    sign: () => study.reading && mayEdit && setSigning(true),
  });

  const item = study.item;
  return (
    <div class="reading-page">
      <Head
        study={study}
        pending={edits.pending.length}
        onSign={() => setSigning(true)}
        maySign={mayEdit}
        deleted={deleted}
        mayEdit={mayEdit}
        reload={reload}
      />
      <Stage
        c={c}
        tool={tool}
        setTool={setTool}
        layers={layers}
        setLayers={setLayers}
        store={store}
        images={images}
        chooseImage={chooseImage}
        priorUid={prior?.study_uid ?? null}
        linked={linked}
        setLinked={setLinked}
        showPrior={showPrior}
        togglePrior={togglePrior}
        drawCode={drawCode}
        setDrawCode={setDraw}
      />
      <aside class="panel" aria-label={r.panel} ref={panel}>
        <div class="tabs" role="tablist" aria-label={r.panel}>
          {TABS.map((t) => (
            <button
              key={t}
              type="button"
              role="tab"
              id={`tab-${t}`}
              aria-selected={tab === t}
              aria-controls="tabpanel"
              tabIndex={tab === t ? 0 : -1}
              onClick={() => setTab(t)}
              onKeyDown={(e) => {
                const step = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0;
                if (!step) return;
                e.preventDefault();
                e.stopPropagation();
                const next = TABS[(TABS.indexOf(t) + step + TABS.length) % TABS.length]!;
                setTab(next);
                document.getElementById(`tab-${next}`)?.focus();
              }}
            >
              {r.tabs[t]}
              {t === 'history' && study.edits.length > 0 && (
                <>
                  {' '}
                  <b>{study.edits.length}</b>
                </>
              )}
            </button>
          ))}
        </div>
        <div class="scroll" id="tabpanel" role="tabpanel" aria-labelledby={`tab-${tab}`} tabIndex={0}>
          <StateOf study={study} reload={reload} mayRead={session.user!.role !== 'reader'} />
          {tab === 'findings' && study.reading && (
            <>
              <FindingsPanel c={c} openRow={openRow} />
              <ReportPanel c={c} editing={editing} setEditing={setEditing} />
              <MeasurementsPanel c={c} />
              <NotesPanel c={c} adding={noting} setAdding={setNoting} />
            </>
          )}
          {tab === 'change' && <ChangePanel c={c} prior={prior} choose={choosePrior} shown={showPrior} toggle={() => togglePrior?.()} />}
          {tab === 'why' && (
            <WhyPanel
              c={c}
              map={layers.map}
              showMap={(map) => {
                setLayers({ ...layers, on: true, map });
                if (map) chooseImage(Number(map.split(':')[0]));
              }}
            />
          )}
          {tab === 'history' && <HistoryPanel c={c} pending={edits.pending} flush={edits.flush} />}
        </div>
      </aside>
      {signing && item && (
        <SignDialog study={study} edited={edited} pending={edits.pending.length} onClose={() => setSigning(false)} onSigned={reload} />
      )}
      {edits.outdated.length > 0 && <ReadAgainDialog outdated={edits.outdated} edited={edited} carry={edits.carry} />}
      {edits.asked && <ConflictDialog asked={edits.asked} edited={edited} answer={edits.answer} />}
    </div>
  );
}

function Head({
  study,
  pending,
  onSign,
  maySign,
  mayEdit,
  deleted,
  reload,
}: {
  study: Study;
  pending: number;
  onSign: () => void;
  maySign: boolean;
  mayEdit: boolean;
  deleted: boolean;
  reload: () => void;
}) {
  const i = study.item;
  const next = neighbour(i.study_uid, 1),
    previous = neighbour(i.study_uid, -1);
  const readAgain = (): void => {
    api.readAgain(i.study_uid).then(reload, (e: Error) => say(en.failed(e.message), true));
  };
  return (
    <header class="study-head">
      <h1>{personName(i.patient_name)}</h1>
      <p>
        {[i.patient_id, [age(i.age), i.sex].filter((x) => x && x !== en.none).join(' '), date(i.study_date), i.modality, i.description]
          .filter(Boolean)
          .join(' · ')}
      </p>
      <SignState study={study} />
      {pending > 0 && (
        <span class="bad" role="status">
          {r.pending(pending)}
        </span>
      )}
      <div class="right">
        {!mayEdit && study.reading && !deleted && <span class="dim">{r.mayNotEdit}</span>}
        {previous && (
          <a class="button" href={studyPath(previous)} aria-label={r.previousStudy}>
            ‹
          </a>
        )}
        {next && (
          <a class="button" href={studyPath(next)} aria-label={r.nextStudy} aria-keyshortcuts="N">
            ›
          </a>
        )}
        {mayEdit && i.state === 'read' && (
          <button type="button" onClick={readAgain}>
            {r.readAgain}
          </button>
        )}
        <ExportMenu uid={i.study_uid} />
        <button type="button" class="primary" disabled={!maySign} onClick={onSign} aria-keyshortcuts="Control+Enter">
          {i.signed ? r.signAgain : r.sign}
        </button>
      </div>
      {deleted && (
        <p class="banner stop" role="alert">
          <Mark shape="stop" /> {r.deleted}
        </p>
      )}
    </header>
  );
}

/** Waiting, failed, not analysable and doubtful are states of their own, said in words. */
function StateOf({ study, reload, mayRead }: { study: Study; reload: () => void; mayRead: boolean }) {
  const { item, reading } = study;
  if (item.state === 'waiting' || item.state === 'reading')
    return (
      <p class="banner" role="status">
        <Mark shape={item.state} /> {item.state === 'waiting' ? r.waiting : r.running}
      </p>
    );
  if (item.state === 'failed') {
    return (
      <div class="banner stop" role="alert">
        <Mark shape="failed" />{' '}
        <div>
          <strong>{r.failedTitle}</strong>
          <p>{item.error}</p>
          {mayRead && (
            <button type="button" onClick={() => api.readAgain(item.study_uid).then(reload, (e: Error) => say(en.failed(e.message), true))}>
              {r.readAgain}
            </button>
          )}
        </div>
      </div>
    );
  }
  if (!reading) return null;
  const stopped = !reading.gate.analysable,
    reasons = reading.gate.reasons;
  if (!stopped && reasons.length === 0) return null;
  return (
    <div class={`banner ${stopped ? 'stop' : 'caution'}`} role="note">
      <Mark shape={stopped ? 'stop' : 'caution'} />
      <div>
        <strong>{stopped ? r.gateStopped : r.gateCaution}</strong>
        {stopped && <p>{r.gateStoppedText}</p>}
        <ul>
          {reasons.map((x) => (
            <li key={`${x.code}-${x.image}`}>{x.message}</li>
          ))}
        </ul>
        {reading.images.some((x) => x.inverted) && <p>{r.gateInverted}</p>}
      </div>
    </div>
  );
}

interface KeyParts {
  c: ReadingContext;
  edits: ReturnType<typeof useEdits>;
  tool: Tool;
  setTool: (t: Tool) => void;
  layers: Layers;
  setLayers: (l: Layers) => void;
  store: ViewStore;
  images: Study['images'];
  image: Study['images'][number] | null;
  chooseImage: (i: number) => void;
  togglePrior: (() => void) | null;
  setEditing: (i: number | null) => void;
  setTab: (t: Tab) => void;
  note: () => void;
  sign: () => void;
}

function useReadingKeys(k: KeyParts): void {
  const { c, store, image } = k;
  const current = (): string | null =>
    c.selected?.kind === 'finding'
      ? c.selected.code
      : c.selected?.kind === 'region'
        ? (c.edited.regions.find((x) => x.id === (c.selected as { id: string }).id)?.code ?? null)
        : null;
  // An answer may move its row to another group: going on is from where it stood.
  const before = useRef<{ code: string; order: string[] } | null>(null);
  const step = (by: number): void => {
    const here = current(),
      order = here && before.current?.code === here ? before.current.order : findingOrder(c),
      at = here ? order.indexOf(here) : -1;
    if (here !== before.current?.code) before.current = null;
    const code = order[at < 0 ? (by > 0 ? 0 : order.length - 1) : Math.min(order.length - 1, Math.max(0, at + by))];
    k.setTab('findings');
    if (code) {
      c.select({ kind: 'finding', code });
      say2(c.nameOf(code));
    }
  };
  const sentence = (by: number): void => {
    const list = c.edited.sentences.filter((s) => !s.removed),
      at = list.findIndex((s) => c.selected?.kind === 'sentence' && s.index === c.selected.index);
    const s = list[at < 0 ? 0 : (at + by + list.length) % list.length];
    k.setTab('findings');
    if (s) {
      c.select({ kind: 'sentence', index: s.index });
      say2(s.text);
    }
  };
  const decide = (decision: 'accept' | 'reject'): boolean => {
    const code = current(),
      f = c.edited.findings.find((x) => x.code === code);
    if (!c.mayEdit || !f || f.model_set === null) return false;
    if (before.current?.code !== f.code) before.current = { code: f.code, order: findingOrder(c) };
    c.submit({ type: 'finding', code: f.code, decision });
    say2(`${f.name}: ${r.decision[decision]}`);
    return true;
  };
  useKeys((e) => {
    if ((e.ctrlKey || e.metaKey) && !e.altKey) {
      if (e.key.toLowerCase() === 'z' && !e.shiftKey && c.mayEdit) {
        k.edits.undo();
        return true;
      }
      if (e.key === 'Enter') {
        k.sign();
        return true;
      }
      return false;
    }
    if (!plain(e) || inText(e.target)) return false;
    // A focused button, link or tab keeps its own keys.
    const control = (e.target as Element).closest?.('button,a,input,summary,[role=tab]');
    if (
      control &&
      ['Enter', ' ', 'ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'].includes(e.key) &&
      !(e.target as Element).closest('.viewport')
    )
      return false;
    if ((e.target as Element).closest?.('.scroll') && ['ArrowUp', 'ArrowDown'].includes(e.key)) return false;
    const tool = TOOLS.find((t) => t.key === e.key.toUpperCase());
    if (tool && !e.shiftKey) {
      if (!c.mayEdit && (tool.tool === 'box' || tool.tool === 'polygon')) return false;
      k.setTool(tool.tool);
      return true;
    }
    switch (e.key) {
      case 'j':
        step(1);
        return true;
      case 'k':
        step(-1);
        return true;
      case 'a':
        return decide('accept');
      case 'r':
        return decide('reject');
      case 't': {
        const code = current();
        const box = code && document.querySelector<HTMLSelectElement>(`.finding[data-code="${CSS.escape(code)}"] select`);
        if (box) {
          box.focus();
          try {
            box.showPicker();
          } catch {
            /* focus is enough */
          }
        }
        return Boolean(box);
      }
      case 's':
        sentence(1);
        return true;
      case 'S':
        sentence(-1);
        return true;
      case 'e':
        if (c.mayEdit && c.selected?.kind === 'sentence') {
          k.setEditing(c.selected.index);
          return true;
        }
        return false;
      case 'Delete':
        if (!c.mayEdit) return false;
        if (c.selected?.kind === 'sentence') {
          c.submit({ type: 'sentence_remove', index: c.selected.index });
          return true;
        }
        if (c.selected?.kind === 'region') {
          c.submit({ type: 'region_remove', region: c.selected.id });
          c.select(null);
          return true;
        }
        return false;
      case 'm':
        if (c.mayEdit) k.note();
        return c.mayEdit;
      case 'n': {
        const next = neighbour(c.study.item.study_uid, 1);
        if (next) go(studyPath(next));
        return true;
      }
      case 'c':
        k.togglePrior?.();
        return true;
      case 'v':
        k.setLayers({ ...k.layers, on: !k.layers.on });
        return true;
      case 'Escape':
        if (k.tool !== 'window') k.setTool('window');
        else c.select(null);
        return true;
      case '[':
      case ']': {
        const i = k.images.findIndex((x) => x.index === image?.index),
          next = k.images[(i + (e.key === ']' ? 1 : -1) + k.images.length) % Math.max(1, k.images.length)];
        if (next) k.chooseImage(next.index);
        return true;
      }
      default:
        return viewKey(e, k, store);
    }
  });
}

function viewKey(e: KeyboardEvent, k: KeyParts, store: ViewStore): boolean {
  const { image } = k;
  const frame = document.querySelector('.viewport[data-testid="current"]');
  const box = frame?.getBoundingClientRect();
  if (!image || !box) return false;
  const size = { width: image.columns, height: image.rows },
    initial = windowFor(image),
    view = store.get();
  const middle = { x: box.width / 2, y: box.height / 2 };
  const arrow = ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] } as Record<string, [number, number]>)[
    e.key
  ];
  if (arrow) {
    const [dx, dy] = arrow;
    store.set(e.shiftKey ? windowBy(view, dx * 10, dy * 10, initial) : panBy(view, size, box, -dx * 40, -dy * 40));
    return true;
  }
  switch (e.key) {
    case '+':
    case '=':
      store.set(zoomAt(view, size, box, 1.2, middle));
      return true;
    case '-':
    case '−':
      store.set(zoomAt(view, size, box, 1 / 1.2, middle));
      return true;
    case 'x':
      store.set({ ...view, invert: !view.invert });
      return true;
    case 'f':
      store.set({ ...view, zoom: 1, x: 0.5, y: 0.5 });
      return true;
    case '1':
      oneToOne(store, image, frame);
      return true;
    case '0':
      store.set(startView(image));
      return true;
    default:
      return false;
  }
}

/** For screen readers only: what a key just reached. */
function say2(text: string): void {
  const region = document.getElementById('spoken');
  if (region) region.textContent = text;
}
