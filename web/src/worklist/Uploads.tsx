import { Mark, type Shape } from '../app/Mark';
import { studyPath } from '../app/router';
import { en } from '../texts/en';
import { clear, retryLost, useUploads, type Upload, type UploadStatus } from './uploads';

const SHAPE: Record<UploadStatus, Shape> = {
  queued: 'waiting',
  sending: 'reading',
  checking: 'reading',
  stored: 'ok',
  known: 'ok',
  refused: 'failed',
  lost: 'caution',
};
const SHOWN = 200;

export function Uploads() {
  const { uploads, note } = useUploads();
  if (uploads.length === 0) return null;
  const count = (s: UploadStatus): number => uploads.filter((u) => u.status === s).length;
  const done = count('stored') + count('known') + count('refused') + count('lost');
  const sum = uploads.reduce((a, u) => a + u.size, 0) || 1;
  const share = uploads.reduce((a, u) => a + u.size * (['queued', 'sending', 'checking'].includes(u.status) ? u.share : 1), 0) / sum;
  // Trouble first: among a thousand files these are what somebody has to see.
  const rank = (u: Upload): number =>
    u.status === 'refused' || u.status === 'lost' ? 0 : u.status === 'sending' || u.status === 'checking' ? 1 : 2;
  const list = [...uploads].sort((a, b) => rank(a) - rank(b)).slice(0, SHOWN);
  const u = en.upload;
  return (
    <section class="uploads" aria-labelledby="uploads-title">
      <header>
        <h2 id="uploads-title">{u.title}</h2>
        <progress max={1} value={share} aria-label={u.title} />
        <p role="status">
          {u.progress(done, uploads.length)}
          {done > 0 && <> · {u.summary(count('stored'), count('known'), count('refused'), count('lost'))}</>}
          {note && <> · {note}</>}
        </p>
        {count('lost') > 0 && (
          <button type="button" onClick={retryLost}>
            {u.retry}
          </button>
        )}
        {done > 0 && (
          <button type="button" class="quiet" onClick={clear}>
            {u.hide}
          </button>
        )}
      </header>
      <ul aria-label={u.list} tabIndex={0}>
        {list.map((f, i) => (
          <li key={`${f.name}-${i}`} class={`up-${f.status}`}>
            <Mark shape={SHAPE[f.status]} />
            <span class="name">{f.name}</span>
            <span class="status">
              {u.status[f.status]}
              {f.status === 'sending' && ` ${Math.round(f.share * 100)} %`}
            </span>
            <span class="message">{f.message}</span>
            {f.study && <a href={studyPath(f.study)}>{u.open}</a>}
          </li>
        ))}
        {uploads.length > SHOWN && <li>{u.more(uploads.length - SHOWN)}</li>}
      </ul>
    </section>
  );
}
