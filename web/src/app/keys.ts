import { useEffect, useRef } from 'preact/hooks';

export const inText = (target: EventTarget | null): boolean =>
  target instanceof HTMLTextAreaElement ||
  target instanceof HTMLSelectElement ||
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
