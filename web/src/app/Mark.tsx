import type { FindingSet, StudyState } from '../api/types';
import { en } from '../texts/en';

// State by shape and word; colour only repeats it.
export type Shape = FindingSet | 'none' | StudyState | 'signed' | 'ok' | 'caution' | 'stop';

const PATHS: Record<Shape, { d: string; fill: boolean }> = {
  present: { d: 'M8 1.5 14.5 8 8 14.5 1.5 8Z', fill: true },
  undecided: { d: 'M8 1.8 14.2 8 8 14.2 1.8 8Z M8 1.8V14.2', fill: false },
  absent: { d: 'M8 2.2a5.8 5.8 0 1 0 0 11.6a5.8 5.8 0 1 0 0-11.6Z', fill: false },
  none: { d: 'M3 8H13', fill: false },
  waiting: { d: 'M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12Z M8 4.5V8l2.5 1.8', fill: false },
  reading: { d: 'M2.5 8a5.5 5.5 0 0 1 9.5-3.8M13.5 8a5.5 5.5 0 0 1-9.5 3.8M12 1.5v3H9M4 14.5v-3h3', fill: false },
  read: { d: 'M2.5 8.5 6.5 12.5 13.5 4', fill: false },
  failed: { d: 'M3.5 3.5l9 9M12.5 3.5l-9 9', fill: false },
  signed: { d: 'M2 12.5h12M4 10 11 3l2 2-7 7H4Z', fill: false },
  ok: { d: 'M2.5 8.5 6.5 12.5 13.5 4', fill: false },
  caution: { d: 'M8 2 14.5 13.5h-13Z M8 6.5v3.5M8 11.8v.4', fill: false },
  stop: { d: 'M5.3 1.8h5.4l3.5 3.5v5.4l-3.5 3.5H5.3L1.8 10.7V5.3Z M4.8 8h6.4', fill: false },
};

export function Mark({ shape }: { shape: Shape }) {
  const { d, fill } = PATHS[shape];
  return (
    <svg class={`mark mark-${shape}`} viewBox="0 0 16 16" aria-hidden="true">
      <path
        d={d}
        fill={fill ? 'currentColor' : 'none'}
        stroke="currentColor"
        stroke-width="1.6"
        stroke-linejoin="round"
        stroke-linecap="round"
      />
    </svg>
  );
}

export const setWord = (set: FindingSet | null): string => (set ? en.set[set] : en.reading.unset);
