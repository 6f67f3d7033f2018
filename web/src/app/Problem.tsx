import { en } from '../texts/en';

export function Problem({ error, retry }: { error: Error; retry?: () => void }) {
  return (
    <div class="problem" role="alert">
      <p>{error.message}</p>
      {retry && (
        <button type="button" onClick={retry}>
          {en.retry}
        </button>
      )}
    </div>
  );
}

export const Busy = () => (
  <p class="busy" role="status">
    {en.loading}
  </p>
);
