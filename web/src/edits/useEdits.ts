import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api, ApiError, conflictOf, isReadAgain } from '../api/client';
import { watchLive } from '../api/events';
import type { Edit, Edited, FindingSet, Op, Study } from '../api/types';
import { say } from '../app/say';
import { en } from '../texts/en';
import { applyOp, decided, lastOwn } from './apply';
import { onto } from './carried';
import { merge } from './conflict';

export interface Pending {
  key: string;
  op: Op;
  sent: boolean;
  /** Hash of the reading that it was made of. */
  reading: string | null;
  /** The answer that it gives to a finding, whatever it says about the model's. */
  meant: FindingSet | null;
}
export interface Asked {
  mine: Pending;
  theirs: Edit[];
  base_revision: number;
}

const slot = (uid: string): string => `hilum.pending.${uid}`;

// This tab only, and gone when it closes: notes about a patient do not belong on a shared machine's disk.
function stored(uid: string): Pending[] {
  try {
    return JSON.parse(sessionStorage.getItem(slot(uid)) ?? '[]') as Pending[];
  } catch {
    return [];
  }
}
function store(uid: string, pending: Pending[]): void {
  try {
    const open = pending.filter((p) => !p.sent);
    if (open.length) sessionStorage.setItem(slot(uid), JSON.stringify(open));
    else sessionStorage.removeItem(slot(uid));
  } catch {
    /* then a reload loses what was not sent; it is shown as not saved all the while */
  }
}

let keys = 0;

/** Edits of this reader: shown at once, sent in order, kept over a lost connection, merged or asked about on conflict. */
export function useEdits(
  study: Study | null,
  user: string,
  reload: () => void,
): {
  edited: Edited | null;
  pending: Pending[];
  asked: Asked | null;
  /** Changes that were made of an earlier reading. */
  outdated: Pending[];
  carry: (keep: boolean) => void;
  submit: (op: Op) => void;
  undo: () => void;
  answer: (op: Op | null) => void;
  flush: () => void;
} {
  const uid = study?.item.study_uid ?? '';
  const [pending, setPending] = useState<Pending[]>([]);
  const [asked, setAsked] = useState<Asked | null>(null);
  const [readAgain, setReadAgain] = useState(false);
  const queue = useRef<Pending[]>([]);
  const revision = useRef(0);
  const busy = useRef(false);
  const blocked = useRef(false);
  const retried = useRef(0);

  const set = useCallback(
    (next: Pending[]): void => {
      queue.current = next;
      store(uid, next);
      setPending(next);
    },
    [uid],
  );

  // What the server now shows needs no copy here any more.
  useEffect(() => {
    if (!study) return;
    revision.current = Math.max(revision.current, study.item.revision);
    if (queue.current.some((p) => p.sent)) set(queue.current.filter((p) => !p.sent));
  }, [study]);
  useEffect(() => {
    if (!uid) return;
    queue.current = stored(uid);
    setPending(queue.current);
  }, [uid]);

  const flush = useCallback(async (): Promise<void> => {
    if (busy.current || blocked.current || !uid) return;
    busy.current = true;
    try {
      for (let next = queue.current.find((p) => !p.sent); next; next = queue.current.find((p) => !p.sent)) {
        if (!(await sendOne(next))) break;
      }
    } finally {
      busy.current = false;
    }
  }, [uid]);

  const drop = (key: string): void => set(queue.current.filter((p) => p.key !== key));

  const sendOne = async (mine: Pending): Promise<boolean> => {
    try {
      const edit = await api.edit(uid, revision.current, mine.reading, mine.op);
      revision.current = Math.max(revision.current, edit.revision);
      retried.current = 0;
      set(queue.current.map((p) => (p.key === mine.key ? { ...p, sent: true } : p)));
      reload();
      return true;
    } catch (e) {
      const conflict = conflictOf(e);
      if (conflict) {
        const outcome = merge(mine.op, conflict);
        if (outcome.kind === 'resend') {
          revision.current = outcome.base_revision;
          say(en.conflict.merged);
          return true;
        }
        reload();
        if (outcome.kind === 'same') {
          revision.current = conflict.revision;
          drop(mine.key);
          return true;
        }
        blocked.current = true;
        setAsked({ mine, theirs: outcome.theirs, base_revision: outcome.base_revision });
        return false;
      }
      if (isReadAgain(e)) {
        blocked.current = true;
        setReadAgain(true);
        reload();
        return false;
      }
      if (e instanceof ApiError && (e.offline || e.status === 401 || [502, 503, 504].includes(e.status))) return false; // kept, and sent when the line is back
      if (e instanceof ApiError && e.status === 507) {
        say(en.failed(e.message), true);
        return false;
      } // a full disk is mended by somebody else, later
      drop(mine.key);
      say(en.failed((e as Error).message), true);
      reload();
      return true;
    }
  };

  useEffect(
    () =>
      watchLive((live) => {
        if (live === 'live') void flush();
      }),
    [flush],
  );
  useEffect(() => {
    if (study && queue.current.length) void flush();
  }, [Boolean(study), flush]);

  const submit = useCallback(
    (op: Op): void => {
      const model = op.type === 'finding' ? study?.edited.findings.find((f) => f.code === op.code)?.model_set : null;
      const meant = op.type === 'finding' ? decided(op, model ?? null) : null;
      const key = `p${Date.now().toString(36)}-${keys++}`;
      set([...queue.current, { key, op, sent: false, reading: study?.reading_hash ?? null, meant }]);
      void flush();
    },
    [set, flush, study],
  );

  const now = study?.reading_hash ?? null;
  // What came meanwhile says what the reading before said: nothing to ask about.
  useEffect(() => {
    if (!readAgain || queue.current.some((p) => !p.sent && p.reading !== now)) return;
    blocked.current = false;
    setReadAgain(false);
    if (retried.current++ < 3) void flush();
  }, [study]);
  const carry = useCallback(
    (keep: boolean): void => {
      blocked.current = false;
      setReadAgain(false);
      set(queue.current.flatMap((p) => (p.sent || p.reading === now ? [p] : keep ? onto(p, now) : [])));
      void flush();
    },
    [set, flush, now],
  );

  const undo = useCallback((): void => {
    const waiting = [...queue.current].reverse().find((p) => !p.sent);
    if (waiting && !busy.current) {
      drop(waiting.key);
      return;
    }
    const last = study && lastOwn(study.edits, user);
    if (last) submit({ type: 'undo', edit: last.id });
    else say(en.reading.undoNothing);
  }, [study, user, submit]);

  const answer = useCallback(
    (op: Op | null): void => {
      if (!asked) return;
      blocked.current = false;
      revision.current = Math.max(revision.current, asked.base_revision);
      setAsked(null);
      if (op) set(queue.current.map((p) => (p.key === asked.mine.key ? { ...p, op } : p)));
      else {
        drop(asked.mine.key);
        say(en.conflict.kept);
      }
      void flush();
    },
    [asked, set, flush],
  );

  const edited = useMemo(
    () => (study ? pending.reduce((e, p) => applyOp(e, p.op, user, p.key), study.edited) : null),
    [study, pending, user],
  );
  const open = pending.filter((p) => !p.sent);
  const outdated = readAgain ? open.filter((p) => p.reading !== now) : [];
  return { edited, pending: open, asked, outdated, carry, submit, undo, answer, flush: () => void flush() };
}
