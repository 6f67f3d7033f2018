import { en } from '../texts/en';
import type { AuditEntry, Comparison, Edit, Method, ModelCard, Op, Run, Session, Signed, Study, Worklist } from './types';

/** An answer that is not a success, or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    message: string,
    readonly body: unknown = null,
  ) {
    super(message);
  }
  get offline(): boolean {
    return this.status === 0;
  }
}

export interface Conflict {
  revision: number;
  edits: Edit[];
}

let csrf = '';
let onUnauthorised: () => void = () => {};

export const csrfToken = (): string => csrf;
export const whenUnauthorised = (f: () => void): void => {
  onUnauthorised = f;
};

export function errorFrom(status: number, body: unknown, fallback: string): ApiError {
  const e = (body as { error?: { kind?: string; message?: string } } | null)?.error;
  return new ApiError(status, e?.kind ?? 'unknown', e?.message ?? fallback, body);
}

export async function request(method: string, url: string, body?: unknown, signal?: AbortSignal, again = true): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (method !== 'GET') headers['x-hilum-csrf'] = csrf;
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers,
      credentials: 'same-origin',
      signal: signal ?? null,
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch (e) {
    if (e instanceof DOMException && e.name === 'AbortError') throw e;
    throw new ApiError(0, 'offline', en.offline);
  }
  if (response.ok) return response;
  if (response.status === 401 && url !== '/api/session') onUnauthorised();
  const text = await response.text().catch(() => '');
  let json: unknown = null;
  try {
    json = JSON.parse(text);
  } catch {
    /* not every proxy speaks JSON */
  }
  const error = errorFrom(response.status, json, `${response.status} ${response.statusText}`.trim());
  // A server that was started anew hands out new tokens.
  if (error.kind === 'not_ours' && method !== 'GET' && again && url !== '/api/session') {
    await session();
    return request(method, url, body, signal, false);
  }
  throw error;
}

async function json<T>(method: string, url: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await request(method, url, body, signal);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

const study = (uid: string): string => `/api/studies/${encodeURIComponent(uid)}`;

async function session(): Promise<Session> {
  const s = await json<Session>('GET', '/api/session');
  csrf = s.csrf;
  return s;
}

export const api = {
  session,
  async login(name: string, password: string): Promise<Session> {
    await json<unknown>('POST', '/api/session', { name, password });
    return session();
  },
  logout: () => json<void>('DELETE', '/api/session'),
  worklist: (query: URLSearchParams, signal?: AbortSignal) => json<Worklist>('GET', `/api/worklist?${query}`, undefined, signal),
  study: (uid: string, signal?: AbortSignal) => json<Study>('GET', study(uid), undefined, signal),
  compare: (uid: string, prior: string, signal?: AbortSignal) =>
    json<Comparison>('GET', `${study(uid)}/compare?prior=${encodeURIComponent(prior)}`, undefined, signal),
  edit: (uid: string, base_revision: number, reading_hash: string | null, op: Op) =>
    json<Edit>('POST', `${study(uid)}/edits`, { base_revision, reading_hash, op }),
  sign: (uid: string, base_revision: number, reading_hash: string | null) =>
    json<Signed>('POST', `${study(uid)}/sign`, { base_revision, reading_hash }),
  readAgain: (uid: string) => json<unknown>('POST', `${study(uid)}/read`),
  remove: (uid: string) => json<void>('DELETE', study(uid)),
  exportUrl: (uid: string, format: 'sr' | 'pdf' | 'fhir' | 'json') => `${study(uid)}/export/${format}`,
  methods: () => json<Method[]>('GET', '/api/methods'),
  runs: () => json<Run[]>('GET', '/api/runs'),
  models: () => json<ModelCard[]>('GET', '/api/models'),
  audit: (uid: string) => json<AuditEntry[]>('GET', uid ? `/api/audit?study=${encodeURIComponent(uid)}` : '/api/audit'),
};

/** The study was read again since the page showed it: what was said was said of another reading. */
export const isReadAgain = (e: unknown): boolean => e instanceof ApiError && e.kind === 'read_again';

/** What a 409 of the edits carries, or null for any other failure. */
export function conflictOf(e: unknown): Conflict | null {
  if (!(e instanceof ApiError) || e.status !== 409) return null;
  const body = e.body as Partial<Conflict> | null;
  return Array.isArray(body?.edits) && typeof body.revision === 'number' ? { revision: body.revision, edits: body.edits } : null;
}
