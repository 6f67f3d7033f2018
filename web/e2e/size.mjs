// What the work list has to load before it shows, against e2e/budgets.json.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const dir = new URL('../../crates/room/assets/', import.meta.url);
const budgets = JSON.parse(readFileSync(new URL('budgets.json', import.meta.url), 'utf8'));
const html = readFileSync(new URL('index.html', dir), 'utf8');
const first = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((m) => m[1]);
const zipped = (name) => gzipSync(readFileSync(new URL(name, dir)), { level: 9 }).length;

const seen = new Set(),
  sizes = { js: 0, css: 0 };
const add = (name) => {
  if (seen.has(name)) return;
  seen.add(name);
  if (name.endsWith('.css')) sizes.css += zipped(name);
  if (!name.endsWith('.js')) return;
  sizes.js += zipped(name);
  // Static imports are loaded with it, dynamic ones (import(...)) are not.
  for (const m of readFileSync(new URL(name, dir), 'utf8').matchAll(/(?:from|import)\s*"\.\/([^"]+\.js)"/g)) add(`assets/${m[1]}`);
};
first.forEach(add);
const all = readdirSync(new URL('assets/', dir)).reduce((n, f) => n + statSync(new URL(`assets/${f}`, dir)).size, 0);
console.log(`first view: ${sizes.js} bytes of script, ${sizes.css} bytes of style (gzip); all assets: ${all} bytes`);
if (sizes.js > budgets.initial_js_gzip_bytes || sizes.css > budgets.initial_css_gzip_bytes) {
  console.error('over the budget of e2e/budgets.json');
  process.exit(1);
}
