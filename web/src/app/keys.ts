import { useEffect, useRef } from 'preact/hooks';
import { en } from '../texts/en';

export interface KeyLine { keys: string[]; what: string }

/** The help overlay and docs/room.md show the same lines. */
export const KEYS: { title: string; lines: KeyLine[] }[] = [
  {
    title: en.help.everywhere,
    lines: [
      { keys: ['?'], what: 'Show this help' }, { keys: ['Esc'], what: 'Close, let go, stop drawing' },
      { keys: ['G', 'L'], what: 'Go to the work list' }, { keys: ['G', 'B'], what: 'Go to the bench' }, { keys: ['G', 'M'], what: 'Go to the models' },
    ],
  },
  {
    title: en.help.list,
    lines: [
      { keys: ['J'], what: 'Next study (also ↓)' }, { keys: ['K'], what: 'Previous study (also ↑)' }, { keys: ['Enter'], what: 'Open the study' },
      { keys: ['/'], what: 'Search' }, { keys: ['I'], what: 'Why this study stands here' }, { keys: ['U'], what: 'Upload files' },
    ],
  },
  {
    title: en.help.image,
    lines: [
      { keys: ['W'], what: 'Window: drag right for wider, up for brighter' }, { keys: ['Z'], what: 'Zoom (wheel at any time)' }, { keys: ['P'], what: 'Pan (middle button at any time)' },
      { keys: ['L'], what: 'Measure a length' }, { keys: ['B'], what: 'Draw a box' }, { keys: ['D'], what: 'Draw a polygon' }, { keys: ['O'], what: 'Window of a part: drag over it' },
      { keys: ['+', '−'], what: 'Zoom in, out' }, { keys: ['←', '↑', '→', '↓'], what: 'Pan; with Shift: window' }, { keys: ['X'], what: 'Invert' }, { keys: ['F'], what: 'Fit' }, { keys: ['1'], what: 'One image pixel a screen pixel' }, { keys: ['0'], what: 'Reset the view' },
      { keys: ['V'], what: 'Overlays on or off' }, { keys: ['[', ']'], what: 'Next image of the study, back' }, { keys: ['C'], what: 'Prior beside the current study' },
    ],
  },
  {
    title: en.help.reading,
    lines: [
      { keys: ['J', 'K'], what: 'Next, previous finding' }, { keys: ['A'], what: 'Accept the finding' }, { keys: ['R'], what: 'Reject the finding' }, { keys: ['T'], what: 'Change the finding’s answer' },
      { keys: ['S'], what: 'Next sentence (with Shift: previous)' }, { keys: ['E'], what: 'Rewrite the sentence' }, { keys: ['Del'], what: 'Remove the sentence or place' }, { keys: ['M'], what: 'Add a note' }, { keys: ['N'], what: 'Next study of the list' },
      { keys: ['Ctrl', 'Z'], what: 'Undo your last edit' }, { keys: ['Ctrl', 'Enter'], what: 'Sign; in a text: save it' },
    ],
  },
];

export const inText = (target: EventTarget | null): boolean =>
  target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement ||
  (target instanceof HTMLInputElement && !['checkbox', 'radio', 'range', 'button'].includes(target.type)) ||
  (target instanceof HTMLElement && target.isContentEditable);

export type Handler = (e: KeyboardEvent) => boolean | void;

/** Keys for a page: never while writing, never under an open dialog. The handler says `true` when it took the key. */
export function useKeys(handler: Handler): void {
  const latest = useRef(handler);
  latest.current = handler;
  useEffect(() => {
    const listen = (e: KeyboardEvent): void => {
      if (e.defaultPrevented || e.isComposing || inText(e.target) || document.querySelector('dialog[open]')) return;
      if (latest.current(e)) e.preventDefault();
    };
    addEventListener('keydown', listen);
    return () => removeEventListener('keydown', listen);
  }, []);
}

export const plain = (e: KeyboardEvent): boolean => !e.ctrlKey && !e.metaKey && !e.altKey;
