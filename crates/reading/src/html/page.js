'use strict';
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // ---- sentences and their evidence ------------------------------------------------------------
  const elements = new Map();
  const neighbours = new Map();
  const put = (map, key, value) => map.set(key, (map.get(key) || new Set()).add(value));
  for (const el of all('[data-key]')) put(elements, el.dataset.key, el);
  for (const el of all('[data-links]')) {
    for (const key of el.dataset.links.split(' ').filter(Boolean)) {
      put(neighbours, el.dataset.key, key);
      put(neighbours, key, el.dataset.key);
    }
  }
  const near = (key) => neighbours.get(key) || new Set();
  const keyOf = (el) => el.closest('[data-key]').dataset.key;

  // What lights up with `key`: its neighbours, and through a finding the heat map; from a sentence
  // no further sentence, so that it shows its own evidence and nothing else.
  const related = (key) => {
    const out = new Set(near(key));
    for (const next of near(key)) {
      if (next[0] === 'f') for (const map of near(next)) if (map[0] === 'h') out.add(map);
      if (key[0] === 'r' && next[0] === 'f') for (const s of near(next)) if (s[0] === 's') out.add(s);
    }
    out.delete(key);
    return out;
  };

  let pinned = null;
  let pointed = null;
  const apply = () => {
    for (const el of all('.linked, .source')) el.classList.remove('linked', 'source');
    const key = pointed || pinned;
    if (key) {
      for (const el of elements.get(key) || []) el.classList.add('source');
      for (const other of related(key)) for (const el of elements.get(other) || []) el.classList.add('linked');
    }
    for (const el of all('[data-trigger]')) el.setAttribute('aria-pressed', String(keyOf(el) === pinned));
  };
  const point = (key) => { pointed = key; apply(); };
  const pin = (key) => {
    pinned = pinned === key ? null : key;
    pointed = null;
    apply();
    if (!pinned) return;
    const shown = [...related(pinned)].flatMap((k) => [...(elements.get(k) || [])]);
    const film = shown.map((el) => el.closest('.film')).find(Boolean);
    if (film) show(film.dataset.image);
    if (pinned[0] === 'r') {
      const sentence = shown.find((el) => el.classList.contains('sentence'));
      if (sentence) sentence.scrollIntoView({ block: 'nearest' });
    }
  };
  const hoverable = all('.sentence, tr[data-key], td[data-key], li[data-key], .region, .ruler');
  for (const el of hoverable) {
    el.addEventListener('pointerenter', (e) => { if (e.pointerType !== 'touch') point(el.dataset.key); });
    el.addEventListener('pointerleave', () => point(null));
  }
  for (const el of all('[data-trigger]')) {
    el.addEventListener('focus', () => { if (el.matches(':focus-visible')) point(keyOf(el)); });
    el.addEventListener('blur', () => point(null));
    el.addEventListener('click', () => { if (!String(getSelection())) pin(keyOf(el)); });
    el.addEventListener('keydown', (e) => {
      if (e.key === 'Enter' || e.key === ' ') { e.preventDefault(); pin(keyOf(el)); }
    });
  }
  addEventListener('keydown', (e) => { if (e.key === 'Escape') { pinned = pointed = null; apply(); } });

  // ---- images ----------------------------------------------------------------------------------
  const films = all('.film');
  function show(image) {
    if (films.length < 2) return;
    for (const film of films) film.classList.toggle('away', film.dataset.image !== String(image));
    for (const tab of all('[data-show]')) tab.setAttribute('aria-pressed', String(tab.dataset.show === String(image)));
  }
  for (const tab of all('[data-show]')) tab.addEventListener('click', () => show(tab.dataset.show));
  show(0);

  // ---- layers ----------------------------------------------------------------------------------
  const layer = (name) => all(`[data-layer="${name}"]`);
  for (const box of all('[data-toggle]')) {
    const set = () => layer(box.dataset.toggle).forEach((g) => g.classList.toggle('layer-off', !box.checked));
    box.addEventListener('change', set);
    set();
  }
  for (const fader of all('[data-fade]')) {
    const set = () => layer(fader.dataset.fade).forEach((g) => { g.style.opacity = fader.value / 100; });
    fader.addEventListener('input', set);
    set();
  }
  const select = document.querySelector('[data-heat-select]');
  const heat = (finding) => {
    for (const g of all('.heat')) g.classList.toggle('on', g.dataset.finding === finding);
    for (const b of all('[data-map]')) b.setAttribute('aria-pressed', String(b.dataset.map === finding));
    if (select) select.value = finding;
  };
  if (select) {
    select.addEventListener('change', () => heat(select.value));
    heat(select.value);
  }
  for (const button of all('[data-map]')) {
    button.addEventListener('click', () => {
      heat(button.getAttribute('aria-pressed') === 'true' ? '' : button.dataset.map);
    });
  }
  const tones = all('[data-tone]');
  const tone = () => {
    const filter = tones.map((t) => `${t.dataset.tone}(${t.value}%)`).join(' ');
    for (const base of all('.base')) base.style.filter = tones.every((t) => t.value === '100') ? '' : filter;
  };
  for (const t of tones) t.addEventListener('input', tone);
  tone();

  // ---- zoom and pan, in the coordinates of the stored image ------------------------------------
  const views = new Map();
  for (const svg of all('.stage')) {
    const { width, height } = svg.viewBox.baseVal;
    const view = { x: 0, y: 0, w: width, h: height, width, height, svg };
    views.set(svg, view);
    svg.addEventListener('wheel', (e) => {
      if (!e.ctrlKey && !e.metaKey) return;
      e.preventDefault();
      const at = toImage(view, e);
      zoom(view, e.deltaY < 0 ? 1.2 : 1 / 1.2, at.x, at.y);
    }, { passive: false });
    svg.addEventListener('keydown', (e) => {
      if (e.target !== svg) return;
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
      if (e.key === '+' || e.key === '=') zoom(view, 1.25);
      else if (e.key === '-') zoom(view, 1 / 1.25);
      else if (e.key === '0') reset(view);
      else if (step && view.w < view.width) pan(view, step[0] * view.w / 10, step[1] * view.h / 10);
      else return;
      e.preventDefault();
    });
    let from = null;
    svg.addEventListener('pointerdown', (e) => {
      if (view.w < view.width && e.button === 0 && !e.target.closest('.region')) {
        from = toImage(view, e);
        svg.setPointerCapture(e.pointerId);
        svg.classList.add('panning');
      }
    });
    svg.addEventListener('pointermove', (e) => {
      if (!from) return;
      const at = toImage(view, e);
      pan(view, from.x - at.x, from.y - at.y);
    });
    for (const end of ['pointerup', 'pointercancel']) {
      svg.addEventListener(end, () => { from = null; svg.classList.remove('panning'); });
    }
  }
  function toImage(view, e) {
    return new DOMPoint(e.clientX, e.clientY).matrixTransform(view.svg.getScreenCTM().inverse());
  }
  function draw(view) {
    view.x = Math.min(Math.max(view.x, 0), view.width - view.w);
    view.y = Math.min(Math.max(view.y, 0), view.height - view.h);
    view.svg.setAttribute('viewBox', `${view.x} ${view.y} ${view.w} ${view.h}`);
    // While zoomed in, a finger pans; else it scrolls the page.
    view.svg.style.touchAction = view.w < view.width ? 'none' : 'auto';
  }
  function zoom(view, factor, x = view.x + view.w / 2, y = view.y + view.h / 2) {
    const w = Math.min(view.width, Math.max(view.width / 12, view.w / factor));
    const scale = w / view.w;
    view.x = x - (x - view.x) * scale;
    view.y = y - (y - view.y) * scale;
    view.w = w;
    view.h *= scale;
    draw(view);
  }
  function pan(view, dx, dy) { view.x += dx; view.y += dy; draw(view); }
  function reset(view) { Object.assign(view, { x: 0, y: 0, w: view.width, h: view.height }); draw(view); }
  const current = () => [...views.values()].filter((v) => !v.svg.closest('.film').classList.contains('away'));
  for (const button of all('[data-zoom]')) {
    button.addEventListener('click', () => {
      for (const view of current()) {
        if (button.dataset.zoom === 'reset') reset(view);
        else zoom(view, button.dataset.zoom === 'in' ? 1.4 : 1 / 1.4);
      }
      if (button.dataset.zoom === 'reset') { for (const t of tones) t.value = 100; tone(); }
    });
  }
})();
