import type { EditedRegion, StudyImage } from '../api/types';
import { useMap, useMask } from '../viewer/overlays';
import { corners } from '../viewer/shapes';
import { Measured } from '../viewer/Viewport';
import type { ReadingContext } from './context';
import { number } from '../format/format';
import { digitsOf } from '../viewer/units';
import { unitText } from './OtherPanels';

export type Places = 'present' | 'chosen' | 'all' | 'none';
export interface Layers {
  on: boolean;
  lungs: boolean;
  heart: boolean;
  lines: boolean;
  places: Places;
  map: string | null;
  opacity: number;
}
export const START: Layers = { on: true, lungs: false, heart: false, lines: true, places: 'present', map: null, opacity: 0.7 };

/** Regions of an image that are to be seen: what is chosen always, the rest by the layer's setting. */
export function visible(c: Pick<ReadingContext, 'edited' | 'lit' | 'selected'>, image: number, layers: Layers): EditedRegion[] {
  if (!layers.on) return [];
  const set = new Map(c.edited.findings.map((f) => [f.code, f.set]));
  return c.edited.regions.filter((r) => {
    if (r.image !== image) return false;
    if (c.lit.regions.has(r.id)) return !r.removed || c.selected?.kind === 'region';
    if (r.removed || layers.places === 'none' || layers.places === 'chosen') return false;
    // With something chosen the rest steps back, so that the eye finds what belongs together.
    if (c.selected && layers.places !== 'all') return false;
    return layers.places === 'all' || set.get(r.code) === 'present' || r.source === 'reader';
  });
}

export function Overlays({ c, image, layers, regions }: { c: ReadingContext; image: StudyImage; layers: Layers; regions: EditedRegion[] }) {
  const size = { width: image.columns, height: image.rows };
  const urlOf = (kind: 'lungs' | 'heart', on: boolean): string | null =>
    layers.on && on ? (image.overlays.find((o) => o.kind === kind)?.url ?? null) : null;
  const lungs = useMask(urlOf('lungs', layers.lungs), size),
    heart = useMask(urlOf('heart', layers.heart), size);
  const mapUrl = layers.on && layers.map ? (image.overlays.find((o) => `${image.index}:${o.id}` === layers.map)?.url ?? null) : null;
  const map = useMap(mapUrl);
  const model = c.study.reading?.measurements ?? [];
  return (
    <>
      {map && <image href={map} x="0" y="0" width={size.width} height={size.height} preserveAspectRatio="none" opacity={layers.opacity} />}
      <g style={{ opacity: 0.3 + 0.7 * layers.opacity }}>
        {lungs && <path class="mask mask-lungs" d={lungs} style={{ fillOpacity: layers.opacity * 0.22 }} />}
        {heart && <path class="mask mask-heart" d={heart} style={{ fillOpacity: layers.opacity * 0.22 }} />}
      </g>
      {regions.map((r) => {
        const points = corners(r),
          lit = c.lit.regions.has(r.id);
        const top = points.reduce((a, b) => (b.y < a.y || (b.y === a.y && b.x < a.x) ? b : a), points[0] ?? { x: 0, y: 0 });
        return (
          <g
            key={r.id}
            class={`region from-${r.source}${lit ? ' lit' : ''}${r.removed ? ' removed' : ''}`}
            data-region={r.id}
            style={{ opacity: lit ? 1 : 0.35 + 0.65 * layers.opacity }}
          >
            <polygon points={points.map((p) => `${p.x},${p.y}`).join(' ')} />
            <g transform={`translate(${top.x} ${top.y})`}>
              <text class="tag" x="4" y="14">
                {c.nameOf(r.code)}
                {r.source === 'reader' && r.by ? ` · ${r.by}` : ''}
              </text>
            </g>
          </g>
        );
      })}
      {layers.on &&
        layers.lines &&
        model.flatMap((m) =>
          m.lines
            .filter((l) => l.image === image.index && (c.lit.measurements.has(m.name) || !c.selected))
            .map((l) => (
              <g key={`${m.name}-${l.name}`} class={c.lit.measurements.has(m.name) ? 'length lit' : 'length model'}>
                <line x1={l.from.x} y1={l.from.y} x2={l.to.x} y2={l.to.y} />
              </g>
            )),
        )}
      {layers.on &&
        layers.lines &&
        c.edited.measurements
          .filter((m) => m.source === 'reader' && !m.removed && m.image === image.index && m.line)
          .map((m) => (
            <Measured
              key={m.id}
              from={{ x: m.line![0][0], y: m.line![0][1] }}
              to={{ x: m.line![1][0], y: m.line![1][1] }}
              image={image}
              text={`${number(m.value, digitsOf(m.unit))} ${unitText(m.unit, image)}`}
            />
          ))}
    </>
  );
}
