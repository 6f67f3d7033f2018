// The newcomer's way of docs/room.md, step by step with the clock running: clone, build, start, upload an own DICOM file, see it
// read, correct it, sign it, take the objects home. What a person needs to read and to decide is not in the times.
//   node e2e/walk.mjs [--clone REPOSITORY] [--file FILM.dcm] [--out FILE]
// Without --clone the binary of $HILUM is taken and the first two steps are left out.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { dicom } from './dicom.mjs';
import { freePort, start } from './server.mjs';

const argument = (name) => {
  const i = process.argv.indexOf(name);
  return i < 0 ? null : process.argv[i + 1];
};
const work = mkdtempSync(join(tmpdir(), 'hilum-walk-'));
const steps = [];
async function timed(name, f) {
  const began = performance.now();
  const value = await f();
  const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
  steps.push({ step: name, seconds });
  console.log(`${String(seconds).padStart(8)} s  ${name}`);
  return value;
}
function run(command, args, cwd) {
  const done = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  assert.equal(done.status, 0, `${command} ${args.join(' ')}`);
}

const [load] = loadavg();
let server;
let browser;
try {
  const repository = argument('--clone');
  if (repository) {
    const clone = join(work, 'hilum');
    await timed('clone', () => run('git', ['clone', '--quiet', repository, clone], work));
    await timed('build', () => run('cargo', ['build', '--release', '--quiet', '--locked', '-p', 'hilum-cli'], clone));
    process.env.HILUM = join(clone, 'target/release/hilum');
  }
  server = await timed('start', async () => start(['--store', join(work, 'store')], await freePort()));
  browser = await launch();
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, acceptDownloads: true });
  const file = argument('--file');
  const made = dicom({ columns: 2500, rows: 2000, name: 'Own^Film', id: 'WALK-1', spacing: 0.16, date: '20260105' });
  const buffer = file ? readFileSync(resolve(file)) : made.bytes;
  await timed('open the page', async () => {
    await page.goto(`${server.base}/`);
    await page.locator('input[type="file"]').first().waitFor({ state: 'attached' });
  });
  const row = page.locator('tr[data-uid]').first();
  await timed('upload the film and wait for its reading', async () => {
    await page
      .locator('input[type="file"]')
      .first()
      .setInputFiles([{ name: 'film.dcm', mimeType: 'application/dicom', buffer }]);
    await row.getByText('Read', { exact: true }).waitFor({ timeout: 180_000 });
  });
  const uid = await row.getAttribute('data-uid');
  const study = () => page.evaluate(async (id) => (await fetch(`/api/studies/${id}`)).json(), uid);
  const edits = async (n) => {
    const end = performance.now() + 20_000;
    while ((await study()).edits.length < n) {
      assert.ok(performance.now() < end, `edit ${n} did not arrive`);
      await page.waitForTimeout(50);
    }
  };
  await timed('open the reading', async () => {
    await row.locator('a.patient').click();
    await page.locator('.viewport[data-status="ready"]').waitFor();
  });
  await timed('answer a finding with the select, then draw a box for it by keyboard', async () => {
    const select = page.locator('.finding select').first();
    await select.focus();
    await select.selectOption('present');
    await edits(1);
    // The select still has the focus; the tool is a letter away all the same.
    await page.locator('.viewport').first().focus();
    for (const key of ['b', 'ArrowLeft', 'Enter', 'ArrowRight', 'ArrowRight', 'ArrowDown', 'ArrowDown', 'Enter'])
      await page.keyboard.press(key);
    await edits(2);
  });
  await timed('rewrite a sentence', async () => {
    await page.locator('.sentence button.text').first().click();
    await page.keyboard.press('e');
    await page.locator('.text-form textarea').fill('Rewritten on the first day.');
    await page.keyboard.press('Control+Enter');
    await edits(3);
  });
  await timed('sign', async () => {
    await page.locator('.viewport').first().focus();
    await page.keyboard.press('Control+Enter');
    await page.locator('dialog[open] button.primary').click();
    await page
      .getByText(/Signed by/)
      .first()
      .waitFor();
  });
  await timed('export as SR, PDF, FHIR and JSON', async () => {
    for (const label of ['DICOM SR', 'PDF', 'FHIR bundle', 'JSON']) {
      await page.locator('details.menu').evaluate((d) => {
        d.open = true;
      });
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: label, exact: true }).click()]);
      assert.ok(readFileSync(await download.path()).length > 500, label);
    }
  });
  const total = steps.reduce((sum, s) => sum + s.seconds, 0);
  console.log(`${total.toFixed(1).padStart(8)} s  in all, ${cpus().length} cores, load before it ${load.toFixed(1)}`);
  const out = argument('--out') ?? fileURLToPath(new URL('walk.json', import.meta.url));
  writeFileSync(
    out,
    `${JSON.stringify({ cores: cpus().length, load: Number(load.toFixed(2)), steps, seconds: Number(total.toFixed(1)) }, null, 2)}\n`,
  );
} finally {
  await browser?.close();
  await server?.stop();
  rmSync(work, { recursive: true, force: true });
}
