// A stand-in for `hilum serve` while working on the application: serves the contract from dev/fixtures, keeps
// everything in memory. Not for tests: those run against the real server.
import { createServer } from 'node:http';
import { createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const FIX = join(here, 'fixtures'),
  ASSETS = join(here, '../../crates/room/assets'),
  BENCH = join(here, '../../bench/results'),
  CARDS = join(here, '../../models');
const port = Number(process.argv[2] ?? 4180);
const CSP =
  "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; script-src 'self' 'wasm-unsafe-eval'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

const NAMES = ['Sample^Adult', "O'Brien^Mary", '<script>window.hacked=1</script>^Eve', 'Müller^Jörg', null];
const studies = new Map(
  readdirSync(FIX).map((id, k) => {
    const { reading, images } = JSON.parse(readFileSync(join(FIX, id, 'study.json'), 'utf8'));
    return [
      id,
      {
        id,
        reading,
        images,
        edits: [],
        revision: 0,
        signed: null,
        reading_hash: 'of-the-fixture',
        received: new Date(Date.now() - k * 3.7e6).toISOString(),
        name: NAMES[k % NAMES.length],
        patient: reading.study.patient ?? `P${100 + k}`,
      },
    ];
  }),
);
const ids = [...studies.keys()];
const clients = new Set();
const emit = (event, data) => clients.forEach((r) => r.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));

function item(s) {
  const order = { present: 0, undecided: 1, absent: 2 };
  const top = s.reading.findings
    .filter((f) => f.set === 'present' || f.set === 'undecided')
    .sort((a, b) => order[a.set] - order[b.set] || b.probability - a.probability)
    .slice(0, 3);
  const entropies = s.reading.findings.map((f) => f.uncertainty?.entropy).filter((x) => x !== undefined);
  const u = entropies.length ? entropies.reduce((a, b) => a + b, 0) / entropies.length : null;
  return {
    study_uid: s.id,
    patient_id: s.patient,
    patient_name: s.name,
    study_date: s.reading.study.date,
    received: s.received,
    age: '045Y',
    sex: 'F',
    modality: 'DX',
    description: 'Chest',
    n_images: s.images.length,
    state: 'read',
    error: null,
    signed: Boolean(s.signed),
    gate: { analysable: s.reading.gate.analysable, reasons: s.reading.gate.reasons.map((r) => r.code) },
    top: top.map(({ code, name, probability, set }) => ({ code, name, probability, set })),
    uncertainty: u,
    priority: s.reading.gate.analysable ? top.filter((t) => t.set === 'present').length / 4 + (u ?? 0) / 10 : null,
    priority_reasons: top.map((t) => `${t.name} ${t.set}`),
    revision: s.revision,
    has_prior: ids.indexOf(s.id) > 0,
  };
}

function edited(s) {
  const undone = new Set(s.edits.filter((e) => e.undone_by).map((e) => e.id));
  const out = {
    findings: s.reading.findings.map((f) => ({
      code: f.code,
      name: f.name,
      model_set: f.set,
      model_probability: f.probability,
      set: f.set,
      decision: null,
      by: null,
    })),
    regions: s.reading.findings.flatMap((f) =>
      f.regions.map((r) => ({
        id: r.id,
        code: f.code,
        image: r.image,
        rect: { x: r.box.x, y: r.box.y, width: r.box.w, height: r.box.h },
        polygon: null,
        source: 'model',
        by: null,
        removed: false,
        place: r.place,
        score: r.score,
        kind: r.kind,
      })),
    ),
    sentences: s.reading.report.sentences.map((t, index) => ({
      index,
      section: t.section,
      text: t.text,
      model_text: t.text,
      evidence: t.evidence,
      source: 'model',
      by: null,
      removed: false,
    })),
    measurements: [],
    notes: [],
  };
  for (const { id, op, by, at } of s.edits) {
    if (undone.has(id)) continue;
    if (op.type === 'finding') {
      const f = out.findings.find((x) => x.code === op.code);
      Object.assign(f, {
        decision: op.decision,
        by,
        set: op.set ?? (op.decision === 'reject' ? (f.model_set === 'absent' ? 'present' : 'absent') : f.model_set),
      });
    }
    if (op.type === 'region_add')
      out.regions.push({
        id,
        code: op.code,
        image: op.image,
        rect: op.rect ?? null,
        polygon: op.polygon ?? null,
        source: 'reader',
        by,
        removed: false,
      });
    if (op.type === 'region_remove') Object.assign(out.regions.find((r) => r.id === op.region) ?? {}, { removed: true, by });
    if (op.type === 'region_change')
      Object.assign(out.regions.find((r) => r.id === op.region) ?? {}, {
        rect: op.rect ?? null,
        polygon: op.polygon ?? null,
        source: 'reader',
        by,
      });
    if (op.type === 'sentence')
      Object.assign(out.sentences.find((x) => x.index === op.index) ?? {}, { text: op.text, source: 'reader', by });
    if (op.type === 'sentence_add')
      out.sentences.push({
        index: out.sentences.length,
        section: op.section,
        text: op.text,
        model_text: null,
        evidence: [],
        source: 'reader',
        by,
        removed: false,
      });
    if (op.type === 'sentence_remove') Object.assign(out.sentences.find((x) => x.index === op.index) ?? {}, { removed: true, by });
    if (op.type === 'measurement_add')
      out.measurements.push({
        id,
        name: op.name,
        image: op.image,
        line: op.line,
        value: op.value,
        unit: op.unit,
        source: 'reader',
        by,
        removed: false,
      });
    if (op.type === 'note') out.notes.push({ id, text: op.text, by, at });
  }
  return out;
}

function study(s) {
  const k = ids.indexOf(s.id),
    priors = ids
      .slice(0, k)
      .reverse()
      .slice(0, 3)
      .map((id) => ({ study_uid: id, study_date: '2019-04-01' }));
  return {
    item: item(s),
    reading: s.reading,
    edits: s.edits,
    edited: edited(s),
    signed: s.signed,
    reading_hash: s.reading_hash,
    prior: priors[0] ?? null,
    priors,
    images: s.images.map((i, n) => ({
      index: n,
      sop_uid: null,
      columns: i.columns,
      rows: i.rows,
      bits: 16,
      view: s.reading.images[n].view,
      laterality: null,
      window: i.window,
      spacing: k % 3 === 0 ? { row_mm: 0.4, col_mm: 0.4, kind: ['imager', 'pixel', 'calibrated'][(k / 3) % 3] } : null,
      pixels_url: `/api/studies/${s.id}/images/${n}/pixels`,
      thumbnail_url: `/api/studies/${s.id}/images/${n}/thumbnail`,
      overlays: i.overlays.map(({ file, ...o }) => ({ ...o, url: `/api/studies/${s.id}/images/${n}/overlays/${o.id}` })),
    })),
  };
}

const target = (op) =>
  op.type === 'finding'
    ? `f${op.code}`
    : op.type.startsWith('sentence') && op.index !== undefined
      ? `s${op.index}`
      : op.region
        ? `r${op.region}`
        : null;
const body = (req) =>
  new Promise((done) => {
    const parts = [];
    req.on('data', (c) => parts.push(c));
    req.on('end', () => done(Buffer.concat(parts)));
  });
const json = (res, status, value) => {
  res.writeHead(status, { 'content-type': 'application/json', 'content-security-policy': CSP });
  res.end(value === undefined ? '' : JSON.stringify(value));
};
const file = (res, path, headers = {}) => {
  res.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'content-security-policy': CSP, ...headers });
  createReadStream(path).pipe(res);
};

const methods = () =>
  readdirSync(BENCH)
    .map((f) => JSON.parse(readFileSync(join(BENCH, f), 'utf8')))
    .filter((r) => r.claim)
    .map((r) => ({
      card: r.card,
      name: r.name,
      title: r.name.replace(/_/g, ' '),
      tasks: ['classifier'],
      data: r.data,
      holds: r.holds,
      result: r,
      plots: [],
    }));

createServer(async (req, res) => {
  const url = new URL(req.url, 'http://x'),
    path = url.pathname,
    parts = path.split('/').filter(Boolean).map(decodeURIComponent);
  if (parts[0] !== 'api') {
    const asset = join(ASSETS, path);
    return file(res, path !== '/' && existsSync(asset) && !path.includes('..') ? asset : join(ASSETS, 'index.html'));
  }
  if (parts[1] === 'session')
    return json(res, 200, {
      user: { name: req.headers['x-user'] ?? 'local', role: 'admin' },
      csrf: 'mock',
      local: true,
      demo: true,
      version: 'mock',
      locale: null,
    });
  if (parts[1] === 'events') {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.write(': hello\n\n');
    clients.add(res);
    return req.on('close', () => clients.delete(res));
  }
  if (parts[1] === 'worklist') {
    const q = url.searchParams.get('q')?.toLowerCase() ?? '',
      finding = url.searchParams.get('finding'),
      state = url.searchParams.get('state');
    let items = [...studies.values()]
      .map(item)
      .filter(
        (i) =>
          (!q || `${i.patient_name} ${i.patient_id}`.toLowerCase().includes(q)) &&
          (!finding || i.top.some((t) => t.code === finding)) &&
          (!state || i.state === state),
      );
    const key = {
      priority: (i) => i.priority ?? 2,
      date: (i) => i.study_date ?? '',
      patient: (i) => i.patient_name ?? '',
      state: (i) => i.state,
      age: (i) => i.received,
      uncertainty: (i) => i.uncertainty ?? 0,
    }[url.searchParams.get('sort') ?? 'priority'];
    items.sort((a, b) => (key(a) < key(b) ? -1 : 1) * (url.searchParams.get('order') === 'asc' ? 1 : -1));
    return json(res, 200, {
      total: items.length,
      offset: 0,
      items,
      counts: { waiting: 0, reading: 0, read: items.length, failed: 0, signed: items.filter((i) => i.signed).length },
    });
  }
  if (parts[1] === 'uploads') {
    await body(req);
    return json(res, 200, {
      files: [{ name: 'mock', status: 'refused', study_uid: null, kind: null, message: 'The mock server keeps no files.' }],
    });
  }
  if (parts[1] === 'methods') return json(res, 200, methods());
  if (parts[1] === 'models')
    return json(
      res,
      200,
      readdirSync(CARDS)
        .filter((f) => f.endsWith('.md'))
        .map((f) => ({
          name: f.slice(0, -3),
          sha256: '0'.repeat(64),
          licence: null,
          card_markdown: readFileSync(join(CARDS, f), 'utf8'),
          outputs: [],
        })),
    );
  if (parts[1] === 'audit') return json(res, 200, [{ at: new Date().toISOString(), by: 'local', action: 'view', study_uid: ids[0] }]);
  const s = parts[1] === 'studies' && studies.get(parts[2]);
  if (!s) return json(res, 404, { error: { kind: 'not_found', message: 'There is no such thing here.' } });
  if (parts.length === 3 && req.method === 'DELETE') {
    studies.delete(s.id);
    emit('deleted', { study_uid: s.id });
    return json(res, 204);
  }
  if (parts.length === 3) return json(res, 200, study(s));
  if (parts[3] === 'images' && parts[5] === 'pixels') return file(res, join(FIX, s.id, `${parts[4]}.u16`));
  if (parts[3] === 'images' && parts[5] === 'thumbnail') return file(res, join(FIX, s.id, `${parts[4]}.thumb.png`));
  if (parts[3] === 'images') return file(res, join(FIX, s.id, s.images[Number(parts[4])].overlays.find((o) => o.id === parts[6]).file));
  if (parts[3] === 'compare') {
    const old = studies.get(url.searchParams.get('prior'));
    return json(res, 200, {
      rows: s.reading.findings
        .filter((f) => f.probability !== null)
        .map((f) => {
          const p = old.reading.findings.find((x) => x.code === f.code),
            side = (x) => (x?.probability === null || !x ? null : { set: x.set, probability: x.probability });
          const change =
            !side(p) || f.set === 'undecided' || p.set === 'undecided'
              ? 'unsure'
              : f.set === p.set
                ? 'same'
                : f.set === 'present'
                  ? 'new'
                  : 'gone';
          return { code: f.code, name: f.name, prior: side(p), current: side(f), change, text: '' };
        }),
      measurements: [],
    });
  }
  if (parts[3] === 'edits') {
    const { base_revision, op } = JSON.parse(await body(req));
    const since = s.edits.filter((e) => e.revision > base_revision),
      by = String(req.headers['x-user'] ?? 'local');
    if (target(op) && since.some((e) => target(e.op) === target(op)))
      return json(res, 409, { error: { kind: 'conflict', message: 'Somebody else was faster.' }, revision: s.revision, edits: since });
    const edit = { id: s.edits.length + 1, revision: ++s.revision, at: new Date().toISOString(), by, op, undone_by: null };
    if (op.type === 'undo') s.edits.find((e) => e.id === op.edit).undone_by = edit.id;
    s.edits.push(edit);
    emit('edit', { study_uid: s.id, edit });
    return json(res, 201, edit);
  }
  if (parts[3] === 'sign') {
    s.signed = { by: 'local', at: new Date().toISOString(), revision: s.revision };
    emit('signed', { study_uid: s.id });
    return json(res, 200, s.signed);
  }
  return json(res, 404, { error: { kind: 'not_found', message: 'The mock server does not do that.' } });
}).listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${port}/`));
