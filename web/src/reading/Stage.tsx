import { useEffect, useMemo } from 'preact/hooks';
import { api } from '../api/client';
import type { Shape, Study, StudyImage } from '../api/types';
import { useLoad } from '../app/hooks';
import { date } from '../format/format';
import { en } from '../texts/en';
import { link } from '../viewer/link';
import { pairOf } from '../viewer/pair';
import { ViewStore } from '../viewer/store';
import { lengthOf } from '../viewer/units';
import { actualSize, fitted, type View, type Window } from '../viewer/view';
import { Viewport, type Line, type Tool } from '../viewer/Viewport';
import type { ReadingContext } from './context';
import { lit } from './links';
import { verdictOf } from './OtherPanels';
import { Overlays, visible, type Layers } from './Overlays';

const v = en.viewer;
export const TOOLS: { tool: Tool; key: string }[] = [
  { tool: 'window', key: 'W' },
  { tool: 'zoom', key: 'Z' },
  { tool: 'pan', key: 'P' },
  { tool: 'length', key: 'L' },
  { tool: 'box', key: 'B' },
  { tool: 'polygon', key: 'D' },
  { tool: 'auto', key: 'O' },
];
const READERS_ONLY: Tool[] = ['box', 'polygon'];

// Windows of images that name none, from their pixels once they are here.
const measured = new Map<string, Window>();

/** The file's window; where it states none, or one of no width, that of the pixels, and before they are here the whole range. */
export const windowFor = (image: StudyImage): Window =>
  image.window && image.window.width > 0
    ? image.window
    : (measured.get(image.pixels_url) ?? { center: 2 ** (image.bits - 1), width: 2 ** image.bits });

/** The view that an image begins with; pixels that the gate found inverted are turned, as the models saw them. */
export const startView = (image: StudyImage): View => ({ ...fitted(windowFor(image)), invert: image.inverted ?? false });

export function keepWindow(image: StudyImage, window: Window): void {
  if (!image.window || image.window.width <= 0) measured.set(image.pixels_url, window);
}

interface StageProps {
  c: ReadingContext;
  tool: Tool;
  setTool: (t: Tool) => void;
  layers: Layers;
  setLayers: (l: Layers) => void;
  store: ViewStore;
  images: StudyImage[];
  chooseImage: (i: number) => void;
  priorUid: string | null;
  linked: boolean;
  setLinked: (l: boolean) => void;
  showPrior: boolean;
  togglePrior: (() => void) | null;
  drawCode: string;
  setDrawCode: (c: string) => void;
}

export function Stage(p: StageProps) {
  const { c, tool, layers, store } = p;
  const image = c.image;
  if (!image) return <div class="stage empty" />;
  const initial = windowFor(image);
  const regions = visible(c, image.index, layers);
  const current = v.label(en.view[image.view] ?? image.view, en.reading.current);
  return (
    <div class="stage">
      <Toolbar {...p} image={image} />
      <div class={`ports${p.showPrior && p.priorUid ? ' two' : ''}`}>
        {p.showPrior && p.priorUid && (
          <PriorPort uid={p.priorUid} image={image} initial={initial} store={store} linked={p.linked} layers={layers} tool={tool} />
        )}
        <Viewport
          key={image.pixels_url}
          image={image}
          store={store}
          initial={initial}
          tool={tool}
          label={current}
          testId="current"
          editable={c.mayEdit}
          regions={regions}
          selected={c.selected?.kind === 'region' ? c.selected.id : null}
          caption={
            <>
              <b>{en.view[image.view] ?? image.view}</b>
              {image.laterality && <span>{image.laterality}</span>}
              {c.study.item.study_date && <span>{date(c.study.item.study_date)}</span>}
              <span>
                {image.columns} × {image.rows}, {image.bits} bit
              </span>
            </>
          }
          onWindow={(w) => keepWindow(image, w)}
          note={<MapNote c={c} image={image} layers={layers} />}
          onRegion={(id) => c.select(id ? { kind: 'region', id } : null)}
          onLine={(line) => c.mayEdit && c.submit(measurement(line, image))}
          onShape={(shape: Shape) => {
            if (p.drawCode) c.submit({ type: 'region_add', code: p.drawCode, image: image.index, ...shape });
          }}
          onReshape={(region, shape) => c.submit({ type: 'region_change', region, ...shape })}
          onToolDone={() => p.setTool('window')}
        >
          <Overlays c={c} image={image} layers={layers} regions={regions} />
        </Viewport>
      </div>
    </div>
  );
}

/** A heat map is never on the screen without its verdict. */
function MapNote({ c, image, layers }: { c: ReadingContext; image: StudyImage; layers: Layers }) {
  const map = layers.on ? image.overlays.find((o) => o.kind === 'map' && `${image.index}:${o.id}` === layers.map) : undefined;
  if (!map?.finding) return null;
  const explanation = c.findingOf(map.finding)?.explanations?.find((e) => e.image === image.index && e.method === map.method);
  const verdict = explanation ? verdictOf(explanation) : 'unjudged';
  return <span class={`map-note ${verdict}`}>{v.mapShown(v.mapOf(c.nameOf(map.finding), map.method ?? ''), en.reading[verdict])}</span>;
}

function measurement(line: Line, image: StudyImage): Parameters<ReadingContext['submit']>[0] {
  const { value, unit } = lengthOf(line.from, line.to, image.spacing);
  const r = (n: number): number => Math.round(n * 100) / 100;
  return {
    type: 'measurement_add',
    image: image.index,
    name: 'length',
    line: [
      [r(line.from.x), r(line.from.y)],
      [r(line.to.x), r(line.to.y)],
    ],
    value: r(value),
    unit,
  };
}

function Toolbar(p: StageProps & { image: StudyImage }) {
  const { c, tool, setTool, layers, setLayers, store, image, images } = p;
  const set = (part: Partial<Layers>): void => setLayers({ ...layers, ...part });
  const has = (kind: 'lungs' | 'heart'): boolean => image.overlays.some((o) => o.kind === kind);
  const maps = image.overlays.filter((o) => o.kind === 'map');
  const drawing = READERS_ONLY.includes(tool);
  return (
    <div class="toolbar" role="toolbar" aria-label={v.toolbar}>
      <div class="set">
        {TOOLS.filter(({ tool: t }) => c.mayEdit || !READERS_ONLY.includes(t)).map(({ tool: t, key }) => (
          <button
            key={t}
            type="button"
            aria-pressed={tool === t}
            aria-keyshortcuts={key}
            title={`${v.tools[t]} (${key})`}
            onClick={() => setTool(t)}
          >
            {v.tools[t]}
          </button>
        ))}
        {drawing && (
          <label class="draw-for">
            {en.reading.drawFor}
            <select value={p.drawCode} onChange={(e) => p.setDrawCode(e.currentTarget.value)}>
              {c.edited.findings.map((f) => (
                <option key={f.code} value={f.code}>
                  {f.name}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      <div class="set">
        <button
          type="button"
          aria-keyshortcuts="X"
          title={`${v.invert} (X)`}
          onClick={() => store.set({ ...store.get(), invert: !store.get().invert })}
        >
          {v.invert}
        </button>
        <button type="button" aria-keyshortcuts="0" title={`${v.reset} (0)`} onClick={() => store.set(startView(image))}>
          {v.reset}
        </button>
      </div>
      <div class="set layers" role="group" aria-label={v.overlays}>
        <button
          type="button"
          aria-pressed={layers.on}
          aria-keyshortcuts="V"
          title={`${v.allOverlays} (V)`}
          onClick={() => set({ on: !layers.on })}
        >
          {v.overlays}
        </button>
        {has('lungs') && (
          <label>
            <input type="checkbox" checked={layers.lungs} disabled={!layers.on} onChange={() => set({ lungs: !layers.lungs })} />
            {v.layer.lungs}
          </label>
        )}
        {has('heart') && (
          <label>
            <input type="checkbox" checked={layers.heart} disabled={!layers.on} onChange={() => set({ heart: !layers.heart })} />
            {v.layer.heart}
          </label>
        )}
        <label>
          <input type="checkbox" checked={layers.lines} disabled={!layers.on} onChange={() => set({ lines: !layers.lines })} />
          {v.layer.lines}
        </label>
        <select
          aria-label={v.layer.regions}
          disabled={!layers.on}
          value={layers.places}
          onChange={(e) => set({ places: e.currentTarget.value as Layers['places'] })}
        >
          {(['present', 'chosen', 'all', 'none'] as const).map((k) => (
            <option key={k} value={k}>
              {v.places[k]}
            </option>
          ))}
        </select>
        {maps.length > 0 && (
          <select
            aria-label={v.layer.map}
            disabled={!layers.on}
            value={layers.map ?? ''}
            onChange={(e) => set({ map: e.currentTarget.value || null })}
          >
            <option value="">{v.noMap}</option>
            {maps.map((m) => (
              <option key={m.id} value={`${image.index}:${m.id}`}>
                {v.mapOf(m.finding ? c.nameOf(m.finding) : m.id, m.method ?? '')}
              </option>
            ))}
          </select>
        )}
        <label class="opacity">
          <span class="sr">{v.opacity}</span>
          <input
            type="range"
            min="0"
            max="1"
            step="0.05"
            value={layers.opacity}
            disabled={!layers.on}
            title={v.opacity}
            onInput={(e) => set({ opacity: Number(e.currentTarget.value) })}
          />
        </label>
      </div>
      <div class="set right">
        {p.togglePrior && (
          <button
            type="button"
            aria-pressed={p.showPrior}
            aria-keyshortcuts="C"
            title={`${en.reading.showPrior} (C)`}
            onClick={p.togglePrior}
          >
            {en.reading.showPrior}
          </button>
        )}
        {p.togglePrior && p.showPrior && (
          <label>
            <input type="checkbox" checked={p.linked} onChange={() => p.setLinked(!p.linked)} />
            {en.reading.linked}
          </label>
        )}
        {images.length > 1 && (
          <div class="strip" role="group" aria-label={en.reading.images}>
            {images.map((i) => (
              <button
                key={i.index}
                type="button"
                class="thumb"
                aria-pressed={i.index === image.index}
                aria-label={`${en.view[i.view] ?? i.view} ${i.index + 1}`}
                title={en.view[i.view] ?? i.view}
                onClick={() => p.chooseImage(i.index)}
              >
                <img src={`${i.thumbnail_url}`} alt="" loading="lazy" />
              </button>
            ))}
          </div>
        )}
      </div>
    </div>
  );
}

function PriorPort({
  uid,
  image,
  initial,
  store,
  linked,
  layers,
  tool,
}: {
  uid: string;
  image: StudyImage;
  initial: Window;
  store: ViewStore;
  linked: boolean;
  layers: Layers;
  tool: Tool;
}) {
  const { data, error } = useLoad(`prior|${uid}`, (signal) => api.study(uid, signal));
  const partner = data && pairOf(image, data.images);
  if (error)
    return (
      <div class="viewport empty">
        <p class="over bad">{error.message}</p>
      </div>
    );
  if (!data)
    return (
      <div class="viewport empty">
        <p class="over" role="status">
          {en.loading}
        </p>
      </div>
    );
  if (!partner)
    return (
      <div class="viewport empty">
        <p class="over">{v.noPair}</p>
      </div>
    );
  return (
    <PriorImage
      key={partner.pixels_url}
      study={data}
      partner={partner}
      initial={initial}
      store={store}
      linked={linked}
      layers={layers}
      tool={tool}
    />
  );
}

function PriorImage({
  study,
  partner,
  initial,
  store,
  linked,
  layers,
  tool,
}: {
  study: Study;
  partner: StudyImage;
  initial: Window;
  store: ViewStore;
  linked: boolean;
  layers: Layers;
  tool: Tool;
}) {
  const own = windowFor(partner);
  const mine = useMemo(() => new ViewStore(startView(partner)), [partner.pixels_url]);
  useEffect(() => {
    if (!linked) return;
    const part = link({ store, initial }, { store: mine, initial: own });
    store.set(store.get()); // the prior comes to where the current image is
    return part;
  }, [linked, store, mine]);
  const c = {
    study,
    edited: study.edited,
    selected: null,
    lit: lit(null, study.edited),
    select: () => {},
    submit: () => {},
    mayEdit: false,
    user: '',
    image: partner,
    nameOf: (code: string) => study.edited.findings.find((f) => f.code === code)?.name ?? code,
    findingOf: () => null,
  } satisfies ReadingContext;
  const regions = visible(c, partner.index, layers);
  return (
    <Viewport
      image={partner}
      store={mine}
      initial={own}
      tool={tool === 'box' || tool === 'polygon' ? 'window' : tool}
      label={v.label(en.view[partner.view] ?? partner.view, en.reading.prior)}
      testId="prior"
      editable={false}
      regions={[]}
      selected={null}
      onWindow={(w) => keepWindow(partner, w)}
      caption={
        <>
          <b>{en.reading.prior}</b>
          {study.item.study_date && <span>{date(study.item.study_date)}</span>}
          <span>{en.view[partner.view] ?? partner.view}</span>
        </>
      }
    >
      <Overlays c={c} image={partner} layers={{ ...layers, map: null }} regions={regions} />
    </Viewport>
  );
}

export const oneToOne = (store: ViewStore, image: StudyImage, frame: Element | null): void => {
  const box = frame?.getBoundingClientRect();
  if (box) store.set(actualSize(store.get(), { width: image.columns, height: image.rows }, box, devicePixelRatio));
};
