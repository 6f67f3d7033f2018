// OHIF, the viewer that most people point at a DICOMweb server, pointed at `hilum listen`: the list of studies, a film with
// the objects of its reading, and a segmentation drawn over it.
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

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.wasm': 'application/wasm' };

/** OHIF's configuration: one source, and nothing that needs more than DICOMweb. */
const settings = (url) => `window.config = {
  routerBasename: null, extensions: [], modes: [], showStudyList: true, showErrorDetails: 'always', maxNumberOfWebWorkers: 2,
  investigationalUseDialog: { option: 'never' },
  // OHIF 3.13 looks for the place of every group of a report and gives up at the first without one.
  customizationService: {
    onBeforeSRAddMeasurement: {
      $set: ({ measurement }) => (measurement.coords.length > 0 ? measurement : Object.assign(measurement, { coords: [{}] })),
    },
  },
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
  const studies = hilum('find', url, 'ModalitiesInStudy', '--json').trim().split('\n').map((line) => JSON.parse(line));
  const value = (item, tag) => item[tag]?.Value ?? [];
  const read = studies.find((item) => value(item, '00080061').includes('SEG'));
  assert.ok(read, 'no study has a segmentation');
  const [uid] = value(read, '0020000D');

  const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
  const refused = [];
  const asked = new Set();
  page.on('response', (r) => {
    if (!r.url().startsWith(url)) return;
    asked.add(new URL(r.url()).pathname.replace(/\/[0-9][0-9.]*/g, '/*'));
    if (r.status() >= 400) refused.push(`${r.status()} ${r.url()}`);
  });
  page.on('pageerror', (e) => console.log(`      page error: ${e.stack}`));
  page.on('console', (m) => m.type() === 'error' && console.log(`      console: ${m.text().slice(0, 1500)}`));
  await page.goto(`${origin}/`);
  await step('list', page, async () => {
    await page.getByText('SAMPLE').first().waitFor({ timeout: 60_000 });
  });
  await step('film', page, async () => {
    await page.goto(`${origin}/viewer?StudyInstanceUIDs=${uid}`);
    await page.locator('.cornerstone-canvas').first().waitFor({ timeout: 120_000 });
    await page.getByText('Skip all').click({ timeout: 30_000 });
    await page.waitForTimeout(3_000);
    await page.waitForLoadState('networkidle');
  });
  await step('report', page, async () => {
    await page.getByText('Hilum: reading').first().dblclick();
    await page.waitForTimeout(5_000);
  });
  await step('film again', page, async () => {
    await page.goto(`${origin}/viewer?StudyInstanceUIDs=${uid}`);
    await page.locator('.cornerstone-canvas').first().waitFor({ timeout: 120_000 });
    await page.waitForTimeout(3_000);
  });
  await step('pdf', page, async () => {
    await page.getByText('Hilum: report').first().dblclick();
    await page.waitForTimeout(5_000);
  });
  await step('segmentation', page, async () => {
    await page.getByText('Hilum: lungs and heart').first().dblclick();
    await page.waitForTimeout(8_000);
  });
  console.log([...asked].join('\n'), refused);
} finally {
  await browser.close();
  server.close();
  const ended = new Promise((done) => node.once('exit', done));
  process.kill(node.pid, 'SIGTERM');
  await ended;
  rmSync(work, { recursive: true, force: true });
}
process.exit(outcomes.every(Boolean) ? 0 : 1);
