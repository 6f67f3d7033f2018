import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import type { EditedRegion, Shape, StudyImage } from '../api/types';
import { inText } from '../app/keys';
import { number } from '../format/format';
import { en } from '../texts/en';
import { cornered, draws, followed, stepped, type Draft, type Tool } from './draft';
import { HALVED, levelFor, type Level } from './levels';
import { painterFor, type Painter } from './painter';
import { begun, known, pixels, preview } from './pixels';
import { boxOf, corners, dragged, hit, inside } from './shapes';
import type { ViewStore } from './store';
import { digitsOf, lengthOf } from './units';
import { fitScale, panBy, scaleOf, toImage, windowBy, windowOf, zoomAt, type Size, type View, type Window, type XY } from './view';

export type { Tool } from './draft';
export interface Line {
  from: XY;
  to: XY;
}

interface Props {
  image: StudyImage;
  store: ViewStore;
  initial: Window;
  tool: Tool;
  label: string;
  caption: ComponentChildren;
  regions: EditedRegion[];
  selected: string | null;
  editable: boolean;
  note?: ComponentChildren;
  children?: ComponentChildren;
  testId?: string;
  onRegion?: (id: string | null) => void;
  onLine?: (line: Line) => void;
  onShape?: (shape: Shape) => void;
  onReshape?: (id: string, shape: Shape) => void;
  onToolDone?: () => void;
  onWindow?: (w: Window) => void;
}

export function Viewport(props: Props) {
  const { image, store, tool } = props;
  const frame = useRef<HTMLDivElement>(null),
    canvas = useRef<HTMLCanvasElement>(null),
    scene = useRef<SVGGElement>(null),
    svg = useRef<SVGSVGElement>(null);
  const readout = useRef<HTMLSpanElement>(null),
    value = useRef<HTMLSpanElement>(null);
  const painter = useRef<Painter | null>(null),
    levels = useRef<Level[] | null>(null),
    rough = useRef(false),
    port = useRef<Size>({ width: 1, height: 1 });
  const [status, setStatus] = useState<'loading' | 'ready' | string>('loading');
  const [draft, showDraft] = useState<Draft>(null);
  // What is being drawn, at once: a click and a key may come before the next render.
  const drawn = useRef<Draft>(null);
  const setDraft = useCallback((next: Draft): void => {
    drawn.current = next;
    showDraft(next);
  }, []);
  // Where the cross is that the arrow keys move, in pixels of the image.
  const cross = useRef<XY | null>(null);
  const [shownCross, showCross] = useState<XY | null>(null);
  const setCross = useCallback((at: XY | null): void => {
    cross.current = at;
    showCross(at);
  }, []);
  const size: Size = { width: image.columns, height: image.rows };
  const latest = useRef(props);
  latest.current = props;
  const waiting = useRef(0);

  const paint = useCallback(() => {
    waiting.current = 0;
    const view = store.get(),
      p = port.current,
      c = canvas.current;
    if (!c) return;
    painter.current?.paint(view, p, { width: c.width, height: c.height });
    const s = scaleOf(view, size, p);
    scene.current?.setAttribute(
      'transform',
      `matrix(${s} 0 0 ${s} ${p.width / 2 - view.x * size.width * s} ${p.height / 2 - view.y * size.height * s})`,
    );
    svg.current?.style.setProperty('--inv', String(1 / s));
    if (readout.current)
      readout.current.textContent = `${en.viewer.window(number(view.window.center, 0), number(view.window.width, 0))}   ${number(s * 100, 0)} %${view.invert ? `   ${en.viewer.invert}` : ''}`;
    if (frame.current) frame.current.dataset.frames = String(Number(frame.current.dataset.frames ?? 0) + 1);
  }, [store, size.width, size.height]);
  const repaint = useCallback(() => {
    waiting.current ||= requestAnimationFrame(paint);
  }, [paint]);

  useLayoutEffect(() => {
    const c = canvas.current!;
    const p = painterFor(c);
    painter.current = p;
    if (frame.current) frame.current.dataset.renderer = p.name;
    return () => {
      p.dispose();
      painter.current = null;
    };
  }, []);

  const measure = useCallback((): void => {
    const box = frame.current!.getBoundingClientRect(),
      c = canvas.current!,
      ratio = rough.current ? devicePixelRatio / 2 : devicePixelRatio;
    port.current = { width: Math.max(1, box.width), height: Math.max(1, box.height) };
    c.width = Math.max(1, Math.round(box.width * ratio));
    c.height = Math.max(1, Math.round(box.height * ratio));
    // A canvas is empty after a change of size: painting at once keeps it from flashing.
    paint();
  }, [paint]);
  /** While a window is dragged the processor draws every second pixel of both ways: moving fluently says more than sharp edges do. */
  const setRough = (on: boolean): void => {
    if (rough.current === on || (on && painter.current?.name !== 'cpu')) return;
    rough.current = on;
    measure();
  };

  useLayoutEffect(() => {
    const observer = new ResizeObserver(measure);
    observer.observe(frame.current!);
    measure();
    const unwatch = store.watch(repaint);
    return () => {
      observer.disconnect();
      unwatch();
      cancelAnimationFrame(waiting.current);
      waiting.current = 0;
    };
  }, [measure, repaint, store]);

  useEffect(() => {
    let current = true;
    setStatus('loading');
    setDraft(null);
    setCross(null);
    levels.current = null;
    frame.current!.dataset.detail = 'none';
    if (image.error) {
      setStatus(image.error);
      return;
    }
    const show = (found: Level[], skipped: number): void => {
      const finest = found[0]!;
      if (!image.window || image.window.width <= 0) {
        const whole = windowOf(finest.data, finest, { x: 0, y: 0, width: finest.width, height: finest.height });
        if (whole) {
          latest.current.onWindow?.(whole);
          store.set({ ...store.get(), window: whole });
        }
      }
      painter.current?.setImage(found, size, skipped);
      paint();
      if (frame.current) frame.current.dataset.detail = skipped ? 'screen' : 'full';
      setStatus('ready');
    };
    const load = async (): Promise<void> => {
      const { pixels_url: url, columns, rows } = image;
      const times = levelFor(fitScale(size, port.current) * devicePixelRatio, HALVED + 1);
      if (times > 0 && !known(url)) {
        const small = begun(url, times) ?? { times, level: preview(url, columns, rows, times) };
        const first = await small.level;
        if (!current) return;
        show([first], small.times);
      }
      const all = await pixels(url, columns, rows);
      if (!current) return;
      levels.current = all;
      show(all, 0);
    };
    load().catch((e: Error) => {
      if (current) setStatus(e.message);
    });
    return () => {
      current = false;
    };
  }, [image.pixels_url, paint]);
  useLayoutEffect(() => {
    repaint();
  });

  const screen = (e: { clientX: number; clientY: number }): XY => {
    const box = frame.current!.getBoundingClientRect();
    return { x: e.clientX - box.left, y: e.clientY - box.top };
  };
  const onImage = (e: { clientX: number; clientY: number }): XY => toImage(store.get(), size, port.current, screen(e));

  // Pointers: one drags with the tool, the middle button pans, two fingers zoom.
  const drag = useRef<{
    tool: Tool | 'reshape';
    start: XY;
    last: XY;
    moved: boolean;
    view: View;
    handle?: { id: string; corner: number };
  } | null>(null);
  const fingers = useRef(new Map<number, XY>());

  const down = (e: PointerEvent): void => {
    if (e.button === 2 && tool !== 'polygon') return;
    setCross(null);
    frame.current!.setPointerCapture(e.pointerId);
    frame.current!.focus({ preventScroll: true });
    const at = screen(e);
    fingers.current.set(e.pointerId, at);
    if (fingers.current.size > 1) {
      drag.current = null;
      return;
    }
    const handle = (e.target as Element).closest<SVGElement>('[data-corner]');
    const used = e.button === 1 ? 'pan' : tool;
    if (handle && props.editable)
      drag.current = {
        tool: 'reshape',
        start: at,
        last: at,
        moved: false,
        view: store.get(),
        handle: { id: handle.dataset.id!, corner: Number(handle.dataset.corner) },
      };
    else drag.current = { tool: used, start: at, last: at, moved: false, view: store.get() };
    if (used === 'polygon' && e.button === 0) addCorner(e);
    e.preventDefault();
  };

  const addCorner = (e: PointerEvent): void => {
    const p = onImage(e);
    const d = drawn.current;
    setDraft(d?.kind === 'polygon' ? { ...d, points: [...d.points, p], to: p } : { kind: 'polygon', points: [p], to: p });
  };

  const move = (e: PointerEvent): void => {
    const at = screen(e);
    tell(onImage(e));
    const finger = fingers.current.get(e.pointerId);
    if (finger && fingers.current.size === 2) {
      pinch(e.pointerId, at);
      return;
    }
    const d = drag.current;
    if (!d) {
      if (drawn.current?.kind === 'polygon') setDraft({ ...drawn.current, to: onImage(e) });
      return;
    }
    if (Math.hypot(at.x - d.start.x, at.y - d.start.y) > 3) d.moved = true;
    const dx = at.x - d.last.x,
      dy = at.y - d.last.y;
    d.last = at;
    if (!d.moved) return;
    switch (d.tool) {
      case 'window':
        setRough(true);
        store.set(windowBy(store.get(), dx, dy, props.initial));
        break;
      case 'pan':
        store.set(panBy(store.get(), size, port.current, dx, dy));
        break;
      case 'zoom':
        store.set(zoomAt(store.get(), size, port.current, Math.exp(-dy / 150), d.start));
        break;
      case 'length':
      case 'box':
      case 'auto':
        setDraft({
          kind: d.tool === 'length' ? 'line' : d.tool,
          from: toImage(d.view, size, port.current, d.start),
          to: toImage(d.view, size, port.current, at),
        });
        break;
      case 'reshape': {
        const region = props.regions.find((r) => r.id === d.handle!.id);
        if (region) setDraft({ kind: 'reshape', id: region.id, shape: dragged(region, d.handle!.corner, onImage(e), size) });
        break;
      }
      case 'polygon':
        break;
    }
  };

  const pinch = (id: number, at: XY): void => {
    const other = [...fingers.current].find(([k]) => k !== id)![1],
      was = fingers.current.get(id)!;
    fingers.current.set(id, at);
    const factor = Math.hypot(at.x - other.x, at.y - other.y) / Math.max(1, Math.hypot(was.x - other.x, was.y - other.y));
    const middle = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
    store.set(zoomAt(panBy(store.get(), size, port.current, (at.x - was.x) / 2, (at.y - was.y) / 2), size, port.current, factor, middle));
  };

  const up = (e: PointerEvent): void => {
    fingers.current.delete(e.pointerId);
    const d = drag.current;
    drag.current = null;
    setRough(false);
    if (!d) return;
    if (!d.moved && e.button === 0 && d.tool !== 'polygon' && d.tool !== 'reshape') {
      props.onRegion?.(hit(props.regions, onImage(e), props.selected)?.id ?? null);
      return;
    }
    if (drawn.current && drawn.current.kind !== 'polygon') finish(drawn.current);
  };

  const finish = (d: NonNullable<Draft>): void => {
    const p = latest.current;
    if (d.kind === 'polygon') {
      const points = d.points.filter((q, i) => i === 0 || Math.hypot(q.x - d.points[i - 1]!.x, q.y - d.points[i - 1]!.y) > 0.5);
      if (points.length < 3) return;
      p.onShape?.({ polygon: points.map((q) => inside(q, size)) });
      p.onToolDone?.();
    } else if (d.kind === 'line') {
      if (Math.hypot(d.to.x - d.from.x, d.to.y - d.from.y) > 1) p.onLine?.(d);
    } else if (d.kind === 'reshape') {
      p.onReshape?.(d.id, d.shape);
    } else {
      const rect = boxOf(d.from, d.to, size);
      if (rect.width < 2 || rect.height < 2) return setDraft(null);
      if (d.kind === 'box') {
        p.onShape?.({ rect });
        p.onToolDone?.();
      } else {
        const base = levels.current?.[0];
        const window = base && windowOf(base.data, base, rect);
        if (window) store.set({ ...store.get(), window });
        p.onToolDone?.();
      }
    }
    setDraft(null);
  };

  const tell = (p: XY): void => {
    if (!value.current) return;
    const base = levels.current?.[0],
      x = Math.floor(p.x),
      y = Math.floor(p.y);
    const on = base && x >= 0 && y >= 0 && x < base.width && y < base.height;
    value.current.textContent = on ? `${x}, ${y}: ${base.data[y * base.width + x]}` : '';
  };

  const wheel = (e: WheelEvent): void => {
    e.preventDefault();
    store.set(
      zoomAt(store.get(), size, port.current, Math.exp(-Math.sign(e.deltaY) * Math.min(0.3, Math.abs(e.deltaY) / 500 + 0.06)), screen(e)),
    );
  };
  useEffect(() => {
    const f = frame.current!;
    f.addEventListener('wheel', wheel, { passive: false });
    return () => f.removeEventListener('wheel', wheel);
  });

  // Drawing takes its own keys before the page does.
  const finishing = useRef(finish);
  finishing.current = finish;
  /** The cross: arrow keys move it, Enter sets a corner. True for a key that it took. */
  const byCross = (e: KeyboardEvent): boolean => {
    const p = latest.current;
    if (!draws(p.tool) || !p.onToolDone || e.ctrlKey || e.metaKey || e.altKey) return false;
    const image = { width: p.image.columns, height: p.image.rows },
      view = store.get();
    const middle = { x: view.x * image.width, y: view.y * image.height };
    const to = stepped(cross.current ?? middle, e.key, e.shiftKey, scaleOf(view, image, port.current), image);
    if (to) {
      setCross(to);
      setDraft(followed(drawn.current, to));
      tell(to);
      return true;
    }
    if (!cross.current) return false;
    if (e.key === 'Escape') {
      setCross(null);
      setDraft(null);
      return true;
    }
    if (e.key !== 'Enter' && e.key !== ' ') return false;
    const { draft: next, complete } = cornered(p.tool, drawn.current, cross.current);
    if (complete && next) {
      setCross(null);
      finishing.current(next);
    } else setDraft(next);
    return true;
  };
  useEffect(() => {
    const keys = (e: KeyboardEvent): void => {
      if (inText(e.target) || document.querySelector('dialog[open]')) return;
      const d = drawn.current;
      if (byCross(e)) {
        // It was taken.
      } else if (!d) return;
      else if (e.key === 'Escape') {
        setDraft(null);
        drag.current = null;
      } else if (e.key === 'Enter' && d.kind === 'polygon') finishing.current(d);
      else if (e.key === 'Backspace' && d.kind === 'polygon')
        setDraft(d.points.length > 1 ? { ...d, points: d.points.slice(0, -1) } : null);
      else return;
      e.preventDefault();
      e.stopImmediatePropagation();
    };
    addEventListener('keydown', keys, true);
    return () => removeEventListener('keydown', keys, true);
  }, []);
  // Before the next paint: a later reset would take the first corner with it.
  useLayoutEffect(() => {
    setDraft(null);
    setCross(null);
  }, [tool]);

  const help = { polygon: en.viewer.polygonHelp, box: en.viewer.boxHelp, auto: en.viewer.boxHelp, length: en.viewer.lengthHelp } as Partial<
    Record<Tool, string>
  >;
  return (
    <div
      class={`viewport tool-${tool}`}
      ref={frame}
      tabIndex={0}
      role="application"
      aria-label={props.label}
      data-status={status}
      data-testid={props.testId}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={() => {
        setRough(false);
        drag.current = null;
        fingers.current.clear();
        setDraft(null);
      }}
      onDblClick={() => {
        if (drawn.current?.kind === 'polygon') finish(drawn.current);
      }}
      onContextMenu={(e) => e.preventDefault()}
      onPointerLeave={() => {
        if (value.current) value.current.textContent = '';
      }}
    >
      <canvas ref={canvas} aria-hidden="true" />
      <svg class="scene" ref={svg} aria-hidden="true">
        <g ref={scene}>
          {props.children}
          {draft && <DraftShape draft={draft} image={image} />}
          {shownCross && (
            <g class="cross" transform={`translate(${shownCross.x} ${shownCross.y})`} data-testid="cross">
              <path d="M-14 0H-3M3 0H14M0 -14V-3M0 3V14" />
            </g>
          )}
          {props.editable && props.selected && (
            <Handles region={props.regions.find((r) => r.id === props.selected && !r.removed) ?? null} />
          )}
        </g>
      </svg>
      <div class="corner tl">{props.caption}</div>
      <div class="corner bl">
        <span ref={readout} />
        <span>{image.spacing ? en.viewer.spacing[image.spacing.kind] : en.viewer.noSpacing}</span>
        {help[tool] && <span class="hint">{help[tool]}</span>}
        {shownCross && (
          <span class="sr" role="status">
            {en.viewer.cross(number(shownCross.x, 0), number(shownCross.y, 0))}
          </span>
        )}
      </div>
      <div class="corner br">
        <span ref={value} />
      </div>
      {status === 'ready' && (painter.current?.reduced || props.note) && (
        <div class="corner tr">
          {props.note}
          {painter.current?.reduced && <span>{en.viewer.half}</span>}
        </div>
      )}
      {status === 'loading' && (
        <p class="over" role="status">
          {en.viewer.loading}
        </p>
      )}
      {status !== 'loading' && status !== 'ready' && (
        <p class="over bad" role="alert">
          {en.viewer.failed} {status}
        </p>
      )}
    </div>
  );
}

function DraftShape({ draft, image }: { draft: NonNullable<Draft>; image: StudyImage }) {
  if (draft.kind === 'line') return <Measured from={draft.from} to={draft.to} image={image} draft />;
  const points =
    draft.kind === 'polygon'
      ? [...draft.points, draft.to]
      : draft.kind === 'reshape'
        ? corners({ rect: draft.shape.rect ?? null, polygon: draft.shape.polygon ?? null })
        : corners({ rect: boxOf(draft.from, draft.to, { width: image.columns, height: image.rows }), polygon: null });
  return <polygon class="draft" points={points.map((p) => `${p.x},${p.y}`).join(' ')} />;
}

const Handles = ({ region }: { region: EditedRegion | null }) =>
  region && (
    <g class="handles">
      {corners(region).map((c, i) => (
        <g key={i} transform={`translate(${c.x} ${c.y})`}>
          <rect data-corner={i} data-id={region.id} x="-4" y="-4" width="8" height="8" class="handle" />
        </g>
      ))}
    </g>
  );

/** A length with its unit: millimetres only where they are earned. */
export function Measured({
  from,
  to,
  image,
  draft,
  lit,
  text,
}: {
  from: XY;
  to: XY;
  image: StudyImage;
  draft?: boolean;
  lit?: boolean;
  text?: string;
}) {
  const length = lengthOf(from, to, image.spacing);
  return (
    <g class={`length${draft ? ' draft' : ''}${lit ? ' lit' : ''}`}>
      <line x1={from.x} y1={from.y} x2={to.x} y2={to.y} />
      <g transform={`translate(${to.x} ${to.y})`}>
        <text class="tag" x="6" y="-6">
          {text ?? lengthText(length.value, length.unit, image)}
        </text>
      </g>
    </g>
  );
}

export function lengthText(value: number, unit: ReturnType<typeof lengthOf>['unit'], image: StudyImage): string {
  const where = unit === 'mm' && image.spacing ? (image.spacing.kind === 'pixel' ? en.unitPixelSpacing : en.unitCalibrated) : en.unit[unit];
  return `${number(value, digitsOf(unit))} ${where}`;
}
