// Starts and stops the real server, by its process id.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

export function binary() {
  const found = [process.env.HILUM, `${root}target/release/hilum`, `${root}target/debug/hilum`].find((p) => p && existsSync(p));
  if (!found) throw new Error('no hilum binary: set HILUM or build one (cargo build --release -p hilum-cli)');
  return found;
}

export const freePort = () =>
  new Promise((done, fail) => {
    const probe = createServer();
    probe.on('error', fail);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });

/** Runs the server until `stop`; `args` come after `serve`. */
export async function start(args, port) {
  const began = performance.now();
  const child = spawn(binary(), ['serve', '--port', String(port), ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  const exited = new Promise((done) => child.once('exit', (code, signal) => done({ code, signal })));
  await new Promise((done, fail) => {
    const limit = setTimeout(() => fail(new Error(`the server did not say that it listens:\n${log}`)), 120_000);
    const read = (d) => {
      log += d;
      if (/listening/.test(log)) {
        clearTimeout(limit);
        done();
      }
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    void exited.then(({ code }) => {
      clearTimeout(limit);
      fail(new Error(`the server ended with ${code}:\n${log}`));
    });
  });
  return {
    base: `http://127.0.0.1:${port}`,
    port,
    startMs: performance.now() - began,
    log: () => log,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) process.kill(child.pid, signal);
      return exited;
    },
  };
}

/** An account, its password from standard input. */
export function addUser(args, name, role, password) {
  const done = spawnSync(binary(), ['serve', ...args, '--add-user', name, '--role', role], {
    cwd: root,
    input: `${password}\n`,
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`no account was made:\n${done.stdout}${done.stderr}`);
}
