import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { listen, liveState, watchLive, type Live, type ServerEvent } from '../api/events';

export function useLive(): Live {
  const [live, set] = useState(liveState);
  useEffect(() => {
    set(liveState());
    return watchLive(set);
  }, []);
  return live;
}

export function useServerEvents(handler: (e: ServerEvent) => void): void {
  const latest = useRef(handler);
  latest.current = handler;
  useEffect(() => listen((e) => latest.current(e)), []);
}

export interface Loaded<T> {
  data: T | null;
  error: Error | null;
  loading: boolean;
  reload(): void;
}

/** Loads when `key` changes; an answer that was overtaken is dropped, and old data stay while new ones load. */
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, set] = useState<{ key: string; data: T | null; error: Error | null; loading: boolean }>({
    key,
    data: null,
    error: null,
    loading: true,
  });
  const [round, again] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const abort = new AbortController();
    set((s) => ({ ...s, loading: true }));
    latest.current(abort.signal).then(
      (data) => {
        if (!abort.signal.aborted) set({ key, data, error: null, loading: false });
      },
      (error: Error) => {
        if (!abort.signal.aborted) set((s) => ({ ...s, key, error, loading: false }));
      },
    );
    return () => abort.abort();
  }, [key, round]);
  const reload = useCallback(() => again((n) => n + 1), []);
  return { data: state.data, error: state.error, loading: state.loading, reload };
}

/** Calls at most once in `ms`, and once more at the end of a burst. */
export function useThrottled(f: () => void, ms: number): () => void {
  const latest = useRef(f);
  latest.current = f;
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  return useCallback(() => {
    if (timer.current !== undefined) return;
    timer.current = setTimeout(() => {
      timer.current = undefined;
      latest.current();
    }, ms);
  }, [ms]);
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Hilum`;
  }, [title]);
}

export function useNow(ms = 30_000): number {
  const [now, set] = useState(Date.now);
  useEffect(() => {
    const t = setInterval(() => set(Date.now()), ms);
    return () => clearInterval(t);
  }, [ms]);
  return now;
}
