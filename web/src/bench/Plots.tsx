import type { ClaimRow, Plot } from '../api/types';
import { number } from '../format/format';
import { en } from '../texts/en';
import { digitsFor, extent, linear, lineOf, pathOf } from './plots';

const b = en.bench;
// Lines differ by dash as well as by colour, and the seventh is not drawn as the first.
const DASHES = ['none', '7 3', '2 3', '9 3 2 3', '4 2', '1 3'];
const COLOURS = ['#7db8f0', '#f0b25c', '#9fd3a3', '#e08fb0', '#cfd38a', '#b9a7f0'];
const style = (i: number) => {
  const { colour, dash } = lineOf(i, COLOURS.length, DASHES.length);
  return { stroke: `var(--plot-${colour}, ${COLOURS[colour]})`, strokeDasharray: DASHES[dash] };
};

/** Claims of a method with their intervals: one row a claim, the paper's figure as a hollow mark. */
export function Intervals({ rows, title }: { rows: ClaimRow[]; title: string }) {
  const shown = rows.filter((r) => r.here !== null);
  if (shown.length === 0) return null;
  const row = 22,
    top = 24,
    left = 330,
    width = 760,
    height = top + shown.length * row + 8;
  const [low, high] = extent(shown.flatMap((r) => [r.here, r.paper, ...(r.interval ?? [])]));
  const x = linear(low, high, left + 8, width - 60),
    digits = digitsFor(x.ticks);
  const cut = (s: string): string => (s.length > 56 ? `${s.slice(0, 55)}…` : s);
  return (
    <figure class="plot intervals">
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`${b.intervals}: ${title}`}>
        {x.ticks.map((t) => (
          <g key={t}>
            <line class="grid" x1={x(t)} x2={x(t)} y1={top - 6} y2={height} />
            <text x={x(t)} y="12" text-anchor="middle">
              {number(t, digits)}
            </text>
          </g>
        ))}
        {low < 0 && high > 0 && <line class="zero" x1={x(0)} x2={x(0)} y1={top - 6} y2={height} />}
        {shown.map((r, i) => {
          const y = top + i * row + row / 2;
          return (
            <g key={i} class={r.holds === true ? 'holds' : r.holds === false ? 'fails' : ''}>
              <title>{r.claim}</title>
              <text x={left} y={y + 4} text-anchor="end">
                {cut(r.claim)}
              </text>
              {r.interval && (
                <>
                  <line class="whisker" x1={x(r.interval[0])} x2={x(r.interval[1])} y1={y} y2={y} />
                  <line class="whisker" x1={x(r.interval[0])} x2={x(r.interval[0])} y1={y - 4} y2={y + 4} />
                  <line class="whisker" x1={x(r.interval[1])} x2={x(r.interval[1])} y1={y - 4} y2={y + 4} />
                </>
              )}
              {r.paper !== null && (
                <rect class="paper" x={x(r.paper) - 4} y={y - 4} width="8" height="8" transform={`rotate(45 ${x(r.paper)} ${y})`} />
              )}
              <circle class="here" cx={x(r.here!)} cy={y} r="3.5" />
              <text x={width - 52} y={y + 4}>
                {number(r.here, 3)}
              </text>
            </g>
          );
        })}
      </svg>
      <figcaption>
        ● {b.here} &nbsp; ◇ {b.paper} &nbsp; ├─┤ {b.interval}
      </figcaption>
    </figure>
  );
}

export function PlotFigure({ plot }: { plot: Plot }) {
  return (
    <figure class={`plot ${plot.kind}`}>
      <figcaption>
        <b>{plot.title}</b>
        {plot.note && <small>{plot.note}</small>}
      </figcaption>
      {plot.kind === 'confusion' ? <Confusion plot={plot} /> : <Curves plot={plot} />}
      {plot.kind !== 'confusion' && (plot.series?.length ?? 0) > 0 && (
        <ul class="legend">
          {plot.series!.map((s, i) => (
            <li key={s.name}>
              <svg viewBox="0 0 28 8" aria-hidden="true">
                <line x1="0" x2="28" y1="4" y2="4" style={style(i)} />
              </svg>
              {s.name}
            </li>
          ))}
        </ul>
      )}
    </figure>
  );
}

export function Curves({ plot }: { plot: Plot }) {
  const series = plot.series ?? [],
    unit = plot.kind !== 'training';
  const points = series.flatMap((s) => s.points);
  const [x0, x1] = unit ? [0, 1] : extent(points.map((p) => p[0])),
    [y0, y1] = unit ? [0, 1] : extent(points.map((p) => p[1]));
  const w = 360,
    h = 280,
    x = linear(x0, x1, 46, w - 12),
    y = linear(y0, y1, h - 38, 10);
  const labels = { roc: [b.fpr, b.tpr], reliability: [b.predicted, b.share], training: [b.step, ''], confusion: ['', ''] }[plot.kind];
  return (
    <svg viewBox={`0 0 ${w} ${h}`} role="img" aria-label={b.plotOf(b.plotKind[plot.kind], plot.title)}>
      {x.ticks.map((t) => (
        <g key={`x${t}`}>
          <line class="grid" x1={x(t)} x2={x(t)} y1="10" y2={h - 38} />
          <text x={x(t)} y={h - 24} text-anchor="middle">
            {number(t, digitsFor(x.ticks))}
          </text>
        </g>
      ))}
      {y.ticks.map((t) => (
        <g key={`y${t}`}>
          <line class="grid" x1="46" x2={w - 12} y1={y(t)} y2={y(t)} />
          <text x="40" y={y(t) + 4} text-anchor="end">
            {number(t, digitsFor(y.ticks))}
          </text>
        </g>
      ))}
      {unit && <line class="diagonal" x1={x(0)} y1={y(0)} x2={x(1)} y2={y(1)} />}
      {series.map((s, i) => (
        <path key={s.name} class="curve" style={style(i)} d={pathOf(s.points, x, y)} />
      ))}
      {plot.kind === 'reliability' &&
        series.map((s, i) =>
          s.points.map((p, k) => (
            <circle key={`${i}-${k}`} cx={x(p[0])} cy={y(p[1])} r="3" fill={`var(--plot-${i % 6}, ${COLOURS[i % 6]})`} />
          )),
        )}
      <text x={(46 + w - 12) / 2} y={h - 6} text-anchor="middle">
        {plot.x_label ?? labels[0]}
      </text>
      <text transform={`translate(11 ${(h - 28) / 2}) rotate(-90)`} text-anchor="middle">
        {plot.y_label ?? labels[1]}
      </text>
    </svg>
  );
}

function Confusion({ plot }: { plot: Plot }) {
  const matrix = plot.matrix ?? [],
    labels = plot.labels ?? matrix.map((_, i) => String(i));
  return (
    <table class="confusion">
      <thead>
        <tr>
          <td>
            {b.actual} \ {b.predicted}
          </td>
          {labels.map((l) => (
            <th key={l} scope="col">
              {l}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {matrix.map((row, i) => {
          const sum = row.reduce((a, n) => a + n, 0) || 1;
          return (
            <tr key={i}>
              <th scope="row">{labels[i]}</th>
              {row.map((n, k) => (
                <td key={k} style={{ background: `color-mix(in srgb, var(--accent-bg) ${Math.round((n / sum) * 100)}%, transparent)` }}>
                  {number(n, 0)}
                </td>
              ))}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
