import { csrfToken, errorFrom, type ApiError } from '../api/client';
import type { UploadResult } from '../api/types';

export type Sent = { ok: true; files: UploadResult[] } | { ok: false; status: number; message: string; retryAfter: number | null };

/** One request with several files. XMLHttpRequest, since fetch does not tell how much of a body is sent. */
export function send(files: File[], onProgress: (loaded: number) => void): Promise<Sent> {
  return new Promise((done) => {
    const form = new FormData();
    for (const file of files) form.append('file', file, file.webkitRelativePath || file.name);
    const request = new XMLHttpRequest();
    request.open('POST', '/api/uploads');
    request.setRequestHeader('x-hilum-csrf', csrfToken());
    request.setRequestHeader('accept', 'application/json');
    request.upload.onprogress = (e) => onProgress(e.loaded);
    request.onload = () => done(answer(request));
    request.onerror = request.onabort = request.ontimeout = () => done({ ok: false, status: 0, message: '', retryAfter: null });
    request.send(form);
  });
}

function answer(request: XMLHttpRequest): Sent {
  let body: unknown = null;
  try {
    body = JSON.parse(request.responseText);
  } catch {
    /* said below */
  }
  const files = (body as { files?: UploadResult[] } | null)?.files;
  if (request.status === 200 && Array.isArray(files)) return { ok: true, files };
  const error: ApiError = errorFrom(request.status, body, `${request.status} ${request.statusText}`.trim());
  const wait = Number(request.getResponseHeader('retry-after'));
  return {
    ok: false,
    status: request.status,
    message: error.message,
    retryAfter: request.status === 429 || request.status === 503 ? wait || 2 : null,
  };
}

/** Files of what was dropped, folders walked through. */
export async function filesOf(items: DataTransferItemList): Promise<File[]> {
  // Entries have to be taken before the first await: the list empties when the event is over.
  const entries = [...items].filter((i) => i.kind === 'file').map((i) => i.webkitGetAsEntry?.() ?? i.getAsFile());
  const out: File[] = [];
  for (const entry of entries) {
    if (entry instanceof File) out.push(entry);
    else if (entry) await walk(entry, out);
  }
  return out;
}

async function walk(entry: FileSystemEntry, out: File[]): Promise<void> {
  if (entry.isFile) {
    out.push(await new Promise<File>((yes, no) => (entry as FileSystemFileEntry).file(yes, no)));
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A browser hands out a folder in parts, and an empty part at its end.
    const part = await new Promise<FileSystemEntry[]>((yes, no) => reader.readEntries(yes, no));
    if (part.length === 0) return;
    for (const child of part) await walk(child, out);
  }
}
