import type { ComponentChildren, VNode } from 'preact';
import { marked, type Token, type Tokens } from 'marked';

// Markdown as elements: text stays text, HTML in a card is shown as it is written and never run.
export function Markdown({ text }: { text: string }) {
  return <div class="markdown">{marked.lexer(text).map(block)}</div>;
}

function block(t: Token, key: number): VNode | null {
  switch (t.type) {
    case 'space':
    case 'def':
      return null;
    case 'heading': {
      const depth = Math.min(6, (t as Tokens.Heading).depth + 1),
        H = `h${depth}` as 'h2';
      return <H key={key}>{inline((t as Tokens.Heading).tokens)}</H>;
    }
    case 'paragraph':
      return <p key={key}>{inline((t as Tokens.Paragraph).tokens)}</p>;
    case 'code':
      return (
        <pre key={key} tabIndex={0}>
          <code>{(t as Tokens.Code).text}</code>
        </pre>
      );
    case 'blockquote':
      return <blockquote key={key}>{(t as Tokens.Blockquote).tokens.map(block)}</blockquote>;
    case 'hr':
      return <hr key={key} />;
    case 'list': {
      const list = t as Tokens.List,
        items = list.items.map((i, n) => (
          <li key={n}>
            {i.tokens.map((x, k) => (x.type === 'text' ? <span key={k}>{inline((x as Tokens.Text).tokens ?? [x])}</span> : block(x, k)))}
          </li>
        ));
      return list.ordered ? <ol key={key}>{items}</ol> : <ul key={key}>{items}</ul>;
    }
    case 'table': {
      const table = t as Tokens.Table;
      return (
        <div class="wide-table" key={key}>
          <table class="plain">
            <thead>
              <tr>
                {table.header.map((h, i) => (
                  <th key={i} scope="col">
                    {inline(h.tokens)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {table.rows.map((row, i) => (
                <tr key={i}>
                  {row.map((c, k) => (
                    <td key={k}>{inline(c.tokens)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      );
    }
    default:
      return <p key={key}>{t.raw}</p>;
  }
}

function inline(tokens: Token[]): ComponentChildren {
  return tokens.map((t, key) => {
    switch (t.type) {
      case 'text': {
        const nested = (t as Tokens.Text).tokens;
        return nested ? <span key={key}>{inline(nested)}</span> : unescape(t.text as string);
      }
      case 'escape':
        return (t as Tokens.Escape).text;
      case 'strong':
        return <strong key={key}>{inline((t as Tokens.Strong).tokens)}</strong>;
      case 'em':
        return <em key={key}>{inline((t as Tokens.Em).tokens)}</em>;
      case 'del':
        return <del key={key}>{inline((t as Tokens.Del).tokens)}</del>;
      case 'codespan':
        return <code key={key}>{unescape((t as Tokens.Codespan).text)}</code>;
      case 'br':
        return <br key={key} />;
      case 'link': {
        const l = t as Tokens.Link;
        return /^https?:\/\//i.test(l.href) ? (
          <a key={key} href={l.href} target="_blank" rel="noreferrer noopener">
            {inline(l.tokens)}
          </a>
        ) : (
          <span key={key}>{inline(l.tokens)}</span>
        );
      }
      default:
        return t.raw;
    }
  });
}

const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" };
const unescape = (s: string): string => s.replace(/&(?:amp|lt|gt|quot|#39);/g, (e) => ENTITIES[e] ?? e);
