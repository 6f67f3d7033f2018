import type { Edited } from '../api/types';
import { Dialog } from '../app/Dialog';
import { en } from '../texts/en';
import { carried } from './carried';
import { describe } from './describe';
import type { Pending } from './useEdits';

/** The study was read again: changes that were made of the earlier reading are the reader's to make again, or to leave. */
export function ReadAgainDialog({
  outdated,
  edited,
  carry,
}: {
  outdated: Pending[];
  edited: Edited | null;
  carry: (keep: boolean) => void;
}) {
  const t = en.readAgain;
  const fitting = outdated.map((p) => carried(p.op, p.meant));
  return (
    <Dialog title={t.title} onClose={() => carry(false)}>
      <p>{t.text}</p>
      <ul>
        {outdated.map((p, i) => (
          <li key={p.key}>
            <span class="quote">{describe(fitting[i] ?? p.op, edited)}</span>
            {!fitting[i] && <span class="dim"> ({t.lost})</span>}
          </li>
        ))}
      </ul>
      <footer>
        <button type="button" onClick={() => carry(false)}>
          {t.discard}
        </button>
        {fitting.some(Boolean) && (
          <button type="button" class="primary" onClick={() => carry(true)}>
            {t.keep}
          </button>
        )}
      </footer>
    </Dialog>
  );
}
