// Server-sent events, with reconnecting of our own: an EventSource gives up when a proxy or a
// restarting server answers with anything but an event stream.

export type Live = 'connecting' | 'live' | 'lost';
export interface ServerEvent { type: 'worklist' | 'edit' | 'signed' | 'deleted' | 'reload'; study_uid: string | null; state: string | null }
type Listener = (event: ServerEvent) => void;

const NAMES = ['worklist', 'edit', 'signed', 'deleted', 'reload'] as const;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;

const listeners = new Set<Listener>();
const watchers = new Set<(live: Live) => void>();
let state: Live = 'connecting';
let source: EventSource | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
let wait = FIRST_WAIT;
let everLive = false;

function setState(next: Live): void {
  if (next === state) return;
  state = next;
  for (const watch of watchers) watch(next);
}

function emit(event: ServerEvent): void {
  for (const listener of [...listeners]) listener(event);
}

function told(type: ServerEvent['type'], data: string): ServerEvent {
  try {
    const { study_uid, state } = JSON.parse(data) as { study_uid?: string; state?: string };
    return { type, study_uid: study_uid ?? null, state: state ?? null };
  } catch {
    return { type, study_uid: null, state: null };
  }
}

export function connect(): void {
  clearTimeout(timer);
  source?.close();
  const mine = new EventSource('/api/events');
  source = mine;
  mine.onopen = () => {
    wait = FIRST_WAIT;
    setState('live');
    // Whatever happened while the line was down is not sent again.
    if (everLive) emit({ type: 'reload', study_uid: null, state: null });
    everLive = true;
  };
  mine.onerror = () => {
    mine.close();
    if (source !== mine) return;
    setState('lost');
    timer = setTimeout(connect, wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  };
  for (const name of NAMES) {
    mine.addEventListener(name, (e) => emit(told(name, (e as MessageEvent<string>).data)));
  }
}

export function disconnect(): void {
  clearTimeout(timer);
  source?.close();
  source = null;
  everLive = false;
  setState('connecting');
}

export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const liveState = (): Live => state;
export function watchLive(watch: (live: Live) => void): () => void {
  watchers.add(watch);
  return () => watchers.delete(watch);
}
