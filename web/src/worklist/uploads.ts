import { useEffect, useState } from 'preact/hooks';
import { en } from '../texts/en';
import { batches, shares } from './batches';
import { send } from './send';

export type UploadStatus = 'queued' | 'sending' | 'checking' | 'stored' | 'known' | 'refused' | 'lost';
export interface Upload {
  file: File;
  name: string;
  size: number;
  status: UploadStatus;
  share: number;
  message: string;
  study: string | null;
}

// Uploads live outside of the work list's component: they go on while somebody reads a study.
let uploads: Upload[] = [];
let running = 0;
let note = '';
const PARALLEL = 2;
const queue: Upload[][] = [];
const watchers = new Set<() => void>();
let pending = false;

function changed(): void {
  if (pending) return;
  pending = true;
  setTimeout(() => {
    pending = false;
    watchers.forEach((w) => w());
  }, 50);
}

export function add(files: File[]): void {
  const fresh = files.map((file): Upload => ({
    file,
    name: file.webkitRelativePath || file.name,
    size: file.size,
    status: 'queued',
    share: 0,
    message: '',
    study: null,
  }));
  uploads = [...uploads, ...fresh];
  queue.push(...batches(fresh));
  changed();
  pump();
}

export function retryLost(): void {
  const lost = uploads.filter((u) => u.status === 'lost');
  for (const u of lost) Object.assign(u, { status: 'queued', share: 0, message: '' });
  queue.push(...batches(lost));
  changed();
  pump();
}

export function clear(): void {
  uploads = uploads.filter((u) => ['queued', 'sending', 'checking'].includes(u.status));
  changed();
}

function pump(): void {
  while (running < PARALLEL) {
    const batch = queue.shift();
    if (!batch) return;
    running++;
    void run(batch).finally(() => {
      running--;
      changed();
      pump();
    });
  }
}

async function run(batch: Upload[]): Promise<void> {
  const sizes = batch.map((u) => u.size);
  for (let attempt = 0; ; attempt++) {
    for (const u of batch) u.status = 'sending';
    changed();
    const sent = await send(
      batch.map((u) => u.file),
      (loaded) => {
        shares(sizes, loaded).forEach((share, i) => {
          const u = batch[i]!;
          u.share = share;
          u.status = share >= 1 ? 'checking' : 'sending';
        });
        changed();
      },
    );
    if (sent.ok) return settle(batch, sent.files);
    if (sent.retryAfter !== null && attempt < 10) {
      note = en.upload.waitFor(sent.retryAfter);
      changed();
      await new Promise((r) => setTimeout(r, sent.retryAfter! * 1000));
      note = '';
      continue;
    }
    // A refusal of the whole request (one file too large, say) must not speak for the other files.
    if (sent.status !== 0 && batch.length > 1) {
      for (const u of batch) u.status = 'queued';
      queue.unshift(...batch.map((u) => [u]));
      return;
    }
    for (const u of batch)
      Object.assign(u, {
        share: 0,
        status: sent.status === 0 ? 'lost' : 'refused',
        message: sent.status === 0 ? en.upload.lost : sent.message,
      });
    return;
  }
}

function settle(
  batch: Upload[],
  files: { name: string; status: 'stored' | 'known' | 'refused'; study_uid: string | null; message: string | null }[],
): void {
  batch.forEach((u, i) => {
    // The server answers in order; where it does not, the name decides.
    const at = files[i]?.name === u.name || files.length === batch.length ? files[i] : files.find((f) => f.name === u.name);
    if (!at) return Object.assign(u, { status: 'refused', message: en.upload.refusedPlain });
    return Object.assign(u, {
      status: at.status,
      share: 1,
      study: at.study_uid,
      message: at.message ?? (at.status === 'refused' ? en.upload.refusedPlain : ''),
    });
  });
}

export function useUploads(): { uploads: Upload[]; note: string } {
  const [, again] = useState(0);
  useEffect(() => {
    const w = (): void => again((n) => n + 1);
    watchers.add(w);
    return () => {
      watchers.delete(w);
    };
  }, []);
  return { uploads, note };
}
