import { ViewStore } from './store';
import { fromLinked, toLinked, type Window } from './view';

export interface Linkable {
  store: ViewStore;
  initial: Window;
}

/** Lets two viewports follow each other; returns how to part them. */
export function link(a: Linkable, b: Linkable): () => void {
  const token = {};
  const follow = (from: Linkable, to: Linkable): (() => void) =>
    from.store.watch((view, by) => {
      if (by !== token) to.store.set(fromLinked(toLinked(view, from.initial), to.initial), token);
    });
  const parts = [follow(a, b), follow(b, a)];
  return () => parts.forEach((part) => part());
}
