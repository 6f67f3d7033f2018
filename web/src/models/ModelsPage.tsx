import { api } from '../api/client';
import { useLoad, useTitle } from '../app/hooks';
import { Busy, Problem } from '../app/Problem';
import { en } from '../texts/en';
import { Markdown } from './Markdown';
import { Points } from './Points';
import '../styles/bench.css';

const m = en.models;

export function ModelsPage({ name }: { name: string | null }) {
  useTitle(m.title);
  const { data, error, reload } = useLoad('models', () => api.models());
  if (error) return <Problem error={error} retry={reload} />;
  if (!data) return <Busy />;
  const card = data.find((x) => x.name === name) ?? (name === null ? data[0] : undefined);
  return (
    <div class="page models">
      <h1>{m.title}</h1>
      <p class="dim">{m.intro}</p>
      <div class="columns">
        <nav aria-label={m.title}>
          {data.length === 0 && <p>{m.none}</p>}
          <ul>
            {data.map((x) => (
              <li key={x.name}>
                <a href={`/models/${encodeURIComponent(x.name)}`} aria-current={x === card ? 'page' : undefined}>
                  {x.name}
                </a>
                {x.title && <small>{x.title}</small>}
                <small>
                  {x.sha256.slice(0, 12)} · {m.outputs}: {x.outputs.length}
                </small>
              </li>
            ))}
          </ul>
        </nav>
        <article>
          {card ? (
            <>
              {card.licence && (
                <p>
                  {m.licence}: {card.licence}
                </p>
              )}
              <Points card={card} />
              <Markdown text={card.card_markdown} />
            </>
          ) : (
            <p class="dim">{m.choose}</p>
          )}
        </article>
      </div>
    </div>
  );
}
