// Server-sent events, with reconnecting of our own: an EventSource gives up when a proxy or a restarting server
// answers with anything but an event stream. One tab of a browser listens for all of them: over HTTP/1.1 a browser opens six
// connections to a server, and six tabs with a stream each would leave none for anything else.

export type Live = 'connecting' | 'live' | 'lost';
export interface ServerEvent {
  type: 'worklist' | 'edit' | 'signed' | 'deleted' | 'reload';
  study_uid: string | null;
  state: string | null;
}
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

// What the listening tab tells the others.
type Word = { state: Live } | { event: ServerEvent } | 'hello';
let channel: BroadcastChannel | null = null;
let leave: (() => void) | null = null;
const tell = (word: Word): void => channel?.postMessage(word);

function setAll(next: Live): void {
  setState(next);
  tell({ state: next });
}

function emitAll(event: ServerEvent): void {
  emit(event);
  tell({ event });
}

export function connect(): void {
  disconnect();
  // Locks are for secure origins: loopback and https. Elsewhere each tab listens by itself.
  if (!('locks' in navigator) || typeof BroadcastChannel === 'undefined') {
    open();
    return;
  }
  const mine = new BroadcastChannel('hilum-events'),
    abort = new AbortController();
  let done: () => void = () => {};
  const over = new Promise<void>((resolve) => {
    done = resolve;
  });
  channel = mine;
  leave = () => {
    abort.abort();
    done();
    mine.close();
    channel = null;
  };
  mine.onmessage = ({ data }: MessageEvent<Word>) => {
    if (data === 'hello') {
      if (source || timer !== undefined) tell({ state });
      return;
    }
    if (source || timer !== undefined) return;
    if ('event' in data) {
      emit(data.event);
      return;
    }
    setState(data.state);
    if (data.state === 'live') everLive = true;
  };
  tell('hello');
  navigator.locks
    .request('hilum-events', { signal: abort.signal }, () => {
      open();
      return over;
    })
    .catch(() => {
      /* left before its turn */
    });
}

function open(): void {
  clearTimeout(timer);
  timer = undefined;
  source?.close();
  const mine = new EventSource('/api/events');
  source = mine;
  mine.onopen = () => {
    wait = FIRST_WAIT;
    setAll('live');
    // Whatever happened while the line was down is not sent again.
    if (everLive) emitAll({ type: 'reload', study_uid: null, state: null });
    everLive = true;
  };
  mine.onerror = () => {
    mine.close();
    if (source !== mine) return;
    setAll('lost');
    timer = setTimeout(open, wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  };
  for (const name of NAMES) {
    mine.addEventListener(name, (e) => emitAll(told(name, (e as MessageEvent<string>).data)));
  }
}

export function disconnect(): void {
  clearTimeout(timer);
  timer = undefined;
  source?.close();
  source = null;
  leave?.();
  leave = null;
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
