import type { ComponentType, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Busy, Problem } from './Problem';

/** A page that is loaded when it is first shown, so that the work list does not wait for it. */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): (props: P) => JSX.Element {
  let Page: ComponentType<P> | null = null;
  return function Lazy(props: P) {
    const [, ready] = useState(0);
    const [error, setError] = useState<Error | null>(null);
    useEffect(() => {
      if (!Page)
        load().then(
          (c) => {
            Page = c;
            ready((n) => n + 1);
          },
          (e: Error) => setError(e),
        );
    }, []);
    if (Page) return <Page {...props} />;
    return error ? <Problem error={error} retry={() => location.reload()} /> : <Busy />;
  };
}
