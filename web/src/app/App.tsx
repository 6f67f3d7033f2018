import { useEffect, useRef, useState } from 'preact/hooks';
import { api, whenUnauthorised } from '../api/client';
import { connect, disconnect } from '../api/events';
import type { Session } from '../api/types';
import { browserLocale, setLocale } from '../format/format';
import { en } from '../texts/en';
import { Login } from '../login/Login';
import { WorkList } from '../worklist/WorkList';
import { Help } from './Help';
import { useKeys, plain } from './keys';
import { lazy } from './lazy';
import { Busy, Problem } from './Problem';
import { followLinks, go, route, useWhere } from './router';
import { dismiss, say, useMessages } from './say';
import { useLive } from './hooks';
import { savedTheme, setTheme } from './theme';

const loadReading = () => import('../reading/ReadingPage').then((m) => m.ReadingPage);
const ReadingPage = lazy(loadReading);
const BenchPage = lazy(() => import('../bench/BenchPage').then((m) => m.BenchPage));
const ModelsPage = lazy(() => import('../models/ModelsPage').then((m) => m.ModelsPage));
const AuditPage = lazy(() => import('../audit/AuditPage').then((m) => m.AuditPage));

export function App() {
  const [session, setSession] = useState<Session | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [help, setHelp] = useState(false);
  const where = useWhere();

  const load = (): void => {
    setError(null);
    api.session().then((s) => {
      setLocale(s.locale ?? browserLocale());
      setSession(s);
    }, setError);
  };
  useEffect(() => {
    whenUnauthorised(() =>
      setSession((s) => {
        if (s?.user) say(en.login.needed, true);
        return s && { ...s, user: null };
      }),
    );
    load();
  }, []);
  const user = session?.user ?? null;
  // Once the list stands, the page that comes next is fetched while nobody waits for it.
  useEffect(() => {
    if (!user) return;
    const t = setTimeout(() => void loadReading().catch(() => {}), 1500);
    return () => clearTimeout(t);
  }, [user?.name]);
  useEffect(() => {
    if (!user) return;
    connect();
    return disconnect;
  }, [user?.name]);

  const goKey = useRef(-Infinity);
  useKeys((e) => {
    if (e.key === '?') {
      setHelp(true);
      return true;
    }
    if (!plain(e)) return false;
    const key = e.key.toLowerCase();
    if (e.timeStamp - goKey.current < 1000) {
      const to = ({ l: '/', b: '/bench', m: '/models' } as Record<string, string>)[key];
      goKey.current = -Infinity;
      if (to) {
        go(to);
        e.stopImmediatePropagation();
        return true;
      }
    }
    if (key === 'g') {
      goKey.current = e.timeStamp;
      return true;
    }
    return false;
  });

  const page = route(where.path);
  // After a change of page the focus goes to its content, as it would with a new document.
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    main.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [where.path]);

  return (
    <div class={`app page-${page.page}`} onClick={followLinks}>
      <a class="skip" href="#main">
        {en.skip}
      </a>
      <Header session={session} path={where.path} onHelp={() => setHelp(true)} onSession={setSession} />
      <main id="main" tabIndex={-1} ref={main}>
        {error ? (
          <Problem error={error} retry={load} />
        ) : !session ? (
          <Busy />
        ) : !user ? (
          <Login
            provider={session.provider ?? null}
            onDone={(s) => {
              setLocale(s.locale ?? browserLocale());
              setSession(s);
            }}
          />
        ) : page.page === 'worklist' ? (
          <WorkList session={session} search={where.search} />
        ) : page.page === 'study' ? (
          <ReadingPage key={page.uid} uid={page.uid} session={session} search={where.search} />
        ) : page.page === 'bench' ? (
          <BenchPage name={page.name} />
        ) : page.page === 'models' ? (
          <ModelsPage name={page.name} />
        ) : page.page === 'audit' ? (
          <AuditPage session={session} search={where.search} />
        ) : (
          <div class="page">
            <h1>{en.notFoundPage}</h1>
            <p>
              <a href="/">{en.backToList}</a>
            </p>
          </div>
        )}
      </main>
      <Messages />
      <p id="spoken" class="sr" aria-live="polite" />
      {help && <Help onClose={() => setHelp(false)} />}
    </div>
  );
}

function Header({
  session,
  path,
  onHelp,
  onSession,
}: {
  session: Session | null;
  path: string;
  onHelp: () => void;
  onSession: (s: Session) => void;
}) {
  const live = useLive();
  const [theme, set] = useState(savedTheme);
  const other = theme === 'dark' ? 'light' : 'dark';
  const user = session?.user;
  const was = useRef(live);
  useEffect(() => {
    if (was.current === 'lost' && live === 'live') say(en.liveBack);
    was.current = live;
  }, [live]);
  const link = (href: string, text: string) => (
    <a href={href} aria-current={(href === '/' ? path === '/' || path.startsWith('/study/') : path.startsWith(href)) ? 'page' : undefined}>
      {text}
    </a>
  );
  return (
    <header class="top">
      <a class="brand" href="/">
        <b>{en.product}</b> <span>{en.room}</span>
      </a>
      {user && (
        <nav aria-label={en.nav.label}>
          {link('/', en.nav.worklist)}
          {link('/bench', en.nav.bench)}
          {link('/models', en.nav.models)}
          {user.role === 'admin' && link('/audit', en.nav.audit)}
        </nav>
      )}
      <p class="disclaimer">
        <strong>{en.disclaimer}</strong>
        {session?.demo && <span> · {en.demo}</span>}
      </p>
      <div class="tools">
        {user && (
          <span class={`live live-${live}`} role="status">
            {en.live[live]}
          </span>
        )}
        <button
          type="button"
          class="quiet"
          onClick={() => {
            setTheme(other);
            set(other);
          }}
          aria-label={en.theme.switchTo(en.theme[other].toLowerCase())}
        >
          {en.theme[other]}
        </button>
        <button type="button" class="quiet" onClick={onHelp} aria-label={en.help.open} aria-keyshortcuts="?">
          ?
        </button>
        {user && !session!.local && (
          <>
            <span class="who">{en.login.asWho(user.name, en.role[user.role])}</span>
            <button
              type="button"
              class="quiet"
              onClick={() => {
                api
                  .logout()
                  .then(() => api.session())
                  .then(onSession, (e: Error) => say(e.message, true));
              }}
            >
              {en.login.logout}
            </button>
          </>
        )}
      </div>
      {live === 'lost' && (
        <p class="lost" role="alert">
          {en.liveLost}
        </p>
      )}
    </header>
  );
}

function Messages() {
  const messages = useMessages();
  return (
    <div class="messages" role="status" aria-live="polite">
      {messages.map((m) => (
        <p key={m.id} class={m.bad ? 'bad' : ''}>
          {m.text}
          <button type="button" class="icon" aria-label={en.close} onClick={() => dismiss(m.id)}>
            ✕
          </button>
        </p>
      ))}
    </div>
  );
}
