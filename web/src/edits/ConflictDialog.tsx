import { useState } from 'preact/hooks';
import type { Edited, Op } from '../api/types';
import { Dialog } from '../app/Dialog';
import { moment } from '../format/format';
import { en } from '../texts/en';
import { describe } from './describe';
import type { Asked } from './useEdits';

export function ConflictDialog({ asked, edited, answer }: { asked: Asked; edited: Edited | null; answer: (op: Op | null) => void }) {
  const c = en.conflict,
    mine = asked.mine.op;
  const theirText = asked.theirs.flatMap((e) => (e.op.type === 'sentence' ? [e.op.text] : [])).pop();
  const mergeable = mine.type === 'sentence' && theirText !== undefined;
  const [text, setText] = useState(mergeable ? `${theirText} ${mine.text}` : '');
  return (
    <Dialog title={c.title} onClose={() => answer(null)}>
      {asked.theirs.map((e) => (
        <div key={e.id}>
          <p class="dim">{c.text(e.by, moment(e.at))}</p>
          <p class="quote">{describe(e.op, edited)}</p>
        </div>
      ))}
      <div>
        <p class="dim">{c.yours}</p>
        <p class="quote">{describe(mine, edited)}</p>
      </div>
      {mergeable && (
        <label>
          {c.mergeText}
          <textarea rows={4} value={text} onInput={(e) => setText(e.currentTarget.value)} />
        </label>
      )}
      <footer>
        <button type="button" onClick={() => answer(null)}>
          {c.keepTheirs}
        </button>
        <button type="button" onClick={() => answer(mine)}>
          {c.useMine}
        </button>
        {mergeable && (
          <button type="button" class="primary" disabled={!text.trim()} onClick={() => answer({ ...mine, text: text.trim() })}>
            {c.sendMerged}
          </button>
        )}
      </footer>
    </Dialog>
  );
}
