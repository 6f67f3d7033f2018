import { en } from '../texts/en';
import { Dialog } from './Dialog';

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={en.help.title} onClose={onClose} wide>
      <div class="help">
        {en.keys.map((group) => (
          <section key={group.title}>
            <h3>{group.title}</h3>
            <dl>
              {group.lines.map((line) => (
                <div key={line.what}>
                  <dt>
                    {line.keys.map((k) => (
                      <kbd key={k}>{k}</kbd>
                    ))}
                  </dt>
                  <dd>{line.what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
