// OHIF, the viewer that most people point at a DICOMweb server, pointed at `hilum listen`: the list of studies, a film with
// the overlay and the PDF of its reading. Segmentations and reports it cannot show on films (docs/node.md).
//   npm pack @ohif/app@3.13.2 && tar xzf ohif-app-3.13.2.tgz
//   HILUM=path/to/hilum OHIF=package/dist node e2e/ohif.mjs [--shots DIR]
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { binary, freePort } from './server.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const dist = process.env.OHIF;
if (!dist || !existsSync(join(dist, 'index.html'))) throw new Error('OHIF names no folder with an index.html (see the head of this file)');
const at = process.argv.indexOf('--shots');
const shots = at < 0 ? null : process.argv[at + 1];
if (shots) mkdirSync(shots, { recursive: true });
const work = mkdtempSync(join(tmpdir(), 'hilum-ohif-'));

const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** OHIF's configuration: one source, and nothing that needs more than DICOMweb. */
const settings = (url) => `window.config = {
  routerBasename: null, extensions: [], modes: [], showStudyList: true, showErrorDetails: 'always', maxNumberOfWebWorkers: 2,
  investigationalUseDialog: { option: 'never' },
  defaultDataSourceName: 'hilum',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'hilum',
    configuration: {
      friendlyName: 'Hilum', name: 'hilum', qidoRoot: '${url}', wadoRoot: '${url}', wadoUriRoot: '${url}',
      qidoSupportsIncludeField: true, imageRendering: 'wadors', thumbnailRendering: 'thumbnail', thumbnailRequestStrategy: 'fetch',
      supportsFuzzyMatching: true, supportsWildcard: true, enableStudyLazyLoad: true, bulkDataURI: { enabled: true },
    },
  }],
};`;

/** OHIF's own files; every other address is its page, as its router wants. */
function pages(config) {
  return createServer((request, answer) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
    const file = join(dist, path);
    // What lets a page share memory between threads; OHIF decodes in workers.
    const head = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'credentialless' };
    if (path === '/app-config.js') return answer.writeHead(200, { 'Content-Type': TYPES['.js'], ...head }).end(config);
    const found = file.startsWith(normalize(dist)) && existsSync(file) && statSync(file).isFile() ? file : join(dist, 'index.html');
    answer.writeHead(200, { 'Content-Type': TYPES[extname(found)] ?? 'application/octet-stream', ...head }).end(readFileSync(found));
  });
}

function hilum(...args) {
  const done = spawnSync(binary(), args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(done.status, 0, `hilum ${args[0]}: ${done.stderr}`);
  return done.stdout;
}

async function listening(args) {
  const child = spawn(binary(), args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  await new Promise((done, fail) => {
    const limit = setTimeout(() => fail(new Error(`hilum did not say that it listens:\n${log}`)), 60_000);
    const read = (d) => {
      log += d;
      if (/^listening/m.test(log)) done(clearTimeout(limit));
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', () => fail(new Error(`hilum ended:\n${log}`)));
  });
  return child;
}

const outcomes = [];
async function step(name, page, f) {
  try {
    await f();
    outcomes.push(true);
    console.log(`ok    ${name}`);
  } catch (e) {
    outcomes.push(false);
    console.log(`FAIL  ${name}\n      ${String(e.stack ?? e).slice(0, 1500)}`);
  }
  if (shots) await page.screenshot({ path: join(shots, `ohif-${name.replace(/\W+/g, '-')}.png`) });
}

const port = await freePort();
const viewerPort = await freePort();
const origin = `http://127.0.0.1:${viewerPort}`;
const url = `http://127.0.0.1:${port}/dicom-web`;
writeFileSync(
  join(work, 'node.toml'),
  `[node]\nport = 0\n[store]\ndir = "${join(work, 'store')}"\n[http]\nport = ${port}\nallow_origin = "${origin}"\n`,
);
const node = await listening(['listen', '--config', join(work, 'node.toml')]);
const server = pages(settings(url)).listen(viewerPort, '127.0.0.1');
const browser = await launch();
try {
  const film = 'samples/images/adult-pa.dcm';
  hilum('read', film, '--out', join(work, 'readings'), '--write', 'sr,seg,gsps,sc,pdf', '--no-progress');
  const objects = readdirSync(join(work, 'readings'), { recursive: true })
    .filter((name) => name.endsWith('.dcm'))
    .map((name) => join(work, 'readings', name));
  hilum('send', url, film, 'samples/images/adult-pa-monochrome1.dcm', ...objects);
  const studies = hilum('find', url, 'ModalitiesInStudy', '--json')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const value = (item, tag) => item[tag]?.Value ?? [];
  const read = studies.find((item) => value(item, '00080061').includes('SEG'));
  assert.ok(read, 'no study has a segmentation');
  const [uid] = value(read, '0020000D');

  const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
  const refused = [];
  const asked = new Set();
  const problems = [];
  page.on('response', (r) => {
    if (!r.url().startsWith(url)) return;
    asked.add(new URL(r.url()).pathname.replace(/\/[0-9][0-9.]*/g, '/*'));
    if (r.status() >= 400) refused.push(`${r.status()} ${r.url()}`);
  });
  page.on('pageerror', (e) => problems.push(e.message));

  /** How many of the viewport's pixels are neither black nor one colour, and how many are coloured. */
  const seen = async () => {
    const png = await page.locator('.cornerstone-canvas').first().screenshot();
    return page.evaluate(async (data) => {
      const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
      canvas.drawImage(bitmap, 0, 0);
      const { data: rgba } = canvas.getImageData(0, 0, bitmap.width, bitmap.height);
      let bright = 0;
      let coloured = 0;
      for (let i = 0; i < rgba.length; i += 4) {
        const [r, g, b] = rgba.subarray(i, i + 3);
        if (r + g + b > 90) bright += 1;
        if (Math.max(r, g, b) - Math.min(r, g, b) > 40) coloured += 1;
      }
      const all = rgba.length / 4;
      return { bright: bright / all, coloured: coloured / all };
    }, png.toString('base64'));
  };
  /** Until the viewport shows it: frames come in workers, and nothing on the page says that they are drawn. */
  const until = async (what, holds) => {
    const end = performance.now() + 60_000;
    for (;;) {
      const now = await seen();
      if (holds(now)) return now;
      assert.ok(performance.now() < end, `${what} did not come: ${JSON.stringify(now)}`);
      await page.waitForTimeout(500);
    }
  };

  await step('list', page, async () => {
    await page.goto(`${origin}/`);
    await page.getByText('SAMPLE, ADULT').first().waitFor({ timeout: 60_000 });
    assert.equal(await page.getByText('SAMPLE, ADULT').count(), studies.length);
  });
  let plain;
  await step('film', page, async () => {
    await page.goto(`${origin}/viewer?StudyInstanceUIDs=${uid}`);
    await page.locator('.cornerstone-canvas').first().waitFor({ timeout: 120_000 });
    await page.getByText('Skip all').click({ timeout: 30_000 });
    plain = await until('the film', ({ bright }) => bright > 0.2);
  });
  await step('overlay', page, async () => {
    await page.getByText('Hilum: overlay').first().dblclick();
    await until('the overlay', ({ coloured }) => coloured > plain.coloured + 0.03);
  });
  await step('pdf', page, async () => {
    await page.getByText('Hilum: report').first().dblclick();
    await page.locator('object[type="application/pdf"], iframe, embed').first().waitFor({ timeout: 30_000 });
    await page.waitForTimeout(2_000);
  });
  assert.deepEqual(refused, [], 'addresses that Hilum refused');
  assert.deepEqual(problems, [], 'errors on the page');
  console.log(`asked for:\n${[...asked].map((path) => `  ${path}`).join('\n')}`);
} finally {
  await browser.close();
  server.close();
  const ended = new Promise((done) => node.once('exit', done));
  process.kill(node.pid, 'SIGTERM');
  await ended;
  rmSync(work, { recursive: true, force: true });
}
process.exit(outcomes.every(Boolean) ? 0 : 1);
