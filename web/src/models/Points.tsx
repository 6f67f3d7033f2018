import type { ModelCard } from '../api/types';
import { linear } from '../bench/plots';
import { number, sentenceCase } from '../format/format';
import { en } from '../texts/en';

/** The outputs' operating points in the plane of a ROC curve. */
export function Points({ card }: { card: ModelCard }) {
  const points = card.outputs.flatMap((o) => {
    const p = o.operating_point;
    return p && p.sensitivity !== null && p.specificity !== null
      ? [{ code: o.code, assessed: o.assessed !== false, x: 1 - p.specificity, y: p.sensitivity }]
      : [];
  });
  if (points.length === 0) return null;
  const w = 620,
    h = 330,
    x = linear(0, 1, 46, 330),
    y = linear(0, 1, h - 40, 12);
  const list = [...points].sort((a, b) => b.y - a.y),
    row = Math.min(19, (h - 24) / list.length);
  return (
    <figure class="plot">
      <figcaption>
        <b>{en.models.points}</b>
        {en.models.pointsNote}
      </figcaption>
      <svg
        viewBox={`0 0 ${w} ${h}`}
        role="img"
        aria-label={`${en.models.points}: ${points.map((p) => `${sentenceCase(p.code)} ${en.bench.tpr} ${number(p.y, 2)}, ${en.bench.fpr} ${number(p.x, 2)}`).join('; ')}`}
      >
        {x.ticks.map((t) => (
          <g key={t}>
            <line class="grid" x1={x(t)} x2={x(t)} y1="12" y2={h - 40} />
            <line class="grid" x1="46" x2="330" y1={y(t)} y2={y(t)} />
            <text x={x(t)} y={h - 26} text-anchor="middle">
              {number(t, 1)}
            </text>
            <text x="40" y={y(t) + 4} text-anchor="end">
              {number(t, 1)}
            </text>
          </g>
        ))}
        <line class="diagonal" x1={x(0)} y1={y(0)} x2={x(1)} y2={y(1)} />
        {list.map((p, i) => {
          const label = 20 + i * row;
          return (
            <g key={p.code}>
              <line class="leader" x1={x(p.x)} y1={y(p.y)} x2="380" y2={label} />
              <circle class={p.assessed ? 'here' : 'paper'} cx={x(p.x)} cy={y(p.y)} r="4" />
              <text x="386" y={label + 4}>
                {sentenceCase(p.code)}
              </text>
            </g>
          );
        })}
        <text x="188" y={h - 8} text-anchor="middle">
          {en.bench.fpr}
        </text>
        <text transform={`translate(11 ${(h - 28) / 2}) rotate(-90)`} text-anchor="middle">
          {en.bench.tpr}
        </text>
      </svg>
    </figure>
  );
}
