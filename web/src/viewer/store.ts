import type { View } from './view';

/** The view of one viewport, outside of the component tree: dragging repaints the image and re-renders nothing. */
export class ViewStore {
  private readonly watchers = new Set<(view: View, from: unknown) => void>();
  constructor(private view: View) {}

  get(): View {
    return this.view;
  }

  /** `from` is whoever changed it, so that linked stores do not answer each other for ever. */
  set(view: View, from: unknown = null): void {
    this.view = view;
    for (const watch of [...this.watchers]) watch(view, from);
  }

  watch(watch: (view: View, from: unknown) => void): () => void {
    this.watchers.add(watch);
    return () => this.watchers.delete(watch);
  }
}
