import { useState } from 'preact/hooks';
import { api, isReadAgain } from '../api/client';
import type { Edited, Study } from '../api/types';
import { Dialog } from '../app/Dialog';
import { Mark } from '../app/Mark';
import { say } from '../app/say';
import { moment } from '../format/format';
import { en } from '../texts/en';
import { signedState } from './signed';

const r = en.reading;

export function SignState({ study }: { study: Study }) {
  const state = signedState(study);
  if (!study.signed) return <span class="sign-state dim">{r.preliminary}</span>;
  const since = state === 'changed' ? r.signedOld : state === 'read_again' ? r.signedReadAgain : null;
  return (
    <span class="sign-state">
      <Mark shape={since ? 'caution' : 'signed'} /> {r.signedBy(study.signed.by, moment(study.signed.at))}
      {since && `, ${since}`}
    </span>
  );
}

export function SignDialog({
  study,
  edited,
  pending,
  onClose,
  onSigned,
}: {
  study: Study;
  edited: Edited;
  pending: number;
  onClose: () => void;
  onSigned: () => void;
}) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState('');
  // What is signed is what the page showed when the reader asked to sign; a reading that came since has not been looked at.
  const [shown] = useState(study.reading_hash);
  const [refused, setRefused] = useState(false);
  const unseen = refused || study.reading_hash !== shown;
  const undecided = edited.findings.filter((f) => f.set === 'undecided').length;
  const notAssessed = edited.findings.filter((f) => f.set === null).length;
  const sign = (): void => {
    setBusy(true);
    api.sign(study.item.study_uid, study.item.revision, shown).then(
      (s) => {
        say(r.signedBy(s.by, moment(s.at)));
        onSigned();
        onClose();
      },
      (e: Error) => {
        setBusy(false);
        if (isReadAgain(e)) setRefused(true);
        else setProblem(e.message);
        onSigned();
      },
    );
  };
  return (
    <Dialog title={r.signTitle} onClose={onClose}>
      <p>{r.signText}</p>
      <p>{r.signSummary(study.edits.filter((e) => !e.undone_by && e.op.type !== 'undo').length, undecided, notAssessed)}</p>
      <p class="dim">{en.disclaimer}.</p>
      {pending > 0 && (
        <p class="bad" role="alert">
          {r.signPending}
        </p>
      )}
      {unseen && (
        <p class="bad" role="alert">
          {r.signUnseen}
        </p>
      )}
      {problem && (
        <p class="bad" role="alert">
          {problem}
        </p>
      )}
      <footer>
        <button type="button" onClick={onClose}>
          {en.cancel}
        </button>
        {unseen ? (
          <button type="button" class="primary" onClick={onClose}>
            {r.showReading}
          </button>
        ) : (
          <button type="button" class="primary" disabled={busy || pending > 0} onClick={sign} autofocus>
            {r.sign}
          </button>
        )}
      </footer>
    </Dialog>
  );
}

export function ExportMenu({ uid }: { uid: string }) {
  return (
    <details class="menu">
      <summary class="button">{r.export}</summary>
      <ul>
        {(['sr', 'pdf', 'fhir', 'json'] as const).map((f) => (
          <li key={f}>
            <a href={api.exportUrl(uid, f)} download="">
              {r.exportAs[f]}
            </a>
          </li>
        ))}
      </ul>
    </details>
  );
}
