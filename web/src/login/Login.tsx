import { useState } from 'preact/hooks';
import { api, ApiError } from '../api/client';
import type { Session } from '../api/types';
import { useTitle } from '../app/hooks';
import { en } from '../texts/en';

/** The page that was asked for, without what the provider said. */
function here(): string {
  const search = new URLSearchParams(location.search);
  search.delete('login');
  const rest = search.toString();
  return location.pathname + (rest ? `?${rest}` : '');
}

/** Why the provider sent the browser back. */
function refusal(): string {
  const why = new URLSearchParams(location.search).get('login');
  return why ? (en.login.refusals[why] ?? en.login.refusals.failed!) : '';
}

export function Login({ provider, onDone }: { provider: string | null; onDone: (s: Session) => void }) {
  useTitle(en.login.title);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [problem, setProblem] = useState(refusal);
  const [busy, setBusy] = useState(false);
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    setBusy(true);
    setProblem('');
    try {
      onDone(await api.login(name, password));
    } catch (error) {
      const wrong = error instanceof ApiError && error.status === 401;
      setProblem(wrong ? en.login.wrong : (error as Error).message);
      setPassword('');
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="login" onSubmit={submit} aria-labelledby="login-title">
      <h1 id="login-title">{en.login.title}</h1>
      {provider && (
        <>
          <a class="button primary" href={`/api/oidc/login?next=${encodeURIComponent(here())}`}>
            {en.login.by(provider)}
          </a>
          <p class="dim">{en.login.or}</p>
        </>
      )}
      <label>
        {en.login.name}
        <input value={name} onInput={(e) => setName(e.currentTarget.value)} autocomplete="username" required autofocus />
      </label>
      <label>
        {en.login.password}
        <input
          type="password"
          value={password}
          onInput={(e) => setPassword(e.currentTarget.value)}
          autocomplete="current-password"
          required
        />
      </label>
      <p class="bad" role="alert">
        {problem}
      </p>
      <button class="primary" disabled={busy}>
        {en.login.submit}
      </button>
    </form>
  );
}
