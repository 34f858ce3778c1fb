// Contents, views, tables that sort, images to enlarge, numbers to take along.
(() => {
  'use strict';
  const $ = id => document.getElementById(id), all = (q, from = document) => [...from.querySelectorAll(q)];
  const tell = detail => document.dispatchEvent(new CustomEvent('view', {detail}));

  // The view of all charts over steps.
  for (const box of all('.axis input')) box.addEventListener('change', () => tell({axis: box.value}));
  const smooth = $('smooth');
  if (smooth) smooth.addEventListener('input', () => {
    smooth.parentElement.querySelector('output').textContent = (+smooth.value).toFixed(2).replace(/0$/, '');
    tell({smooth: +smooth.value});
  });
  if ($('grouped')) $('grouped').addEventListener('change', e => tell({grouped: e.target.checked}));
  const wide = matchMedia('(min-width:76rem)');
  for (const fold of all('.settings')) fold.open = wide.matches;

  // The run under the pointer, or in focus, stands out everywhere.
  for (const chip of all('.chip')) {
    const name = [...chip.classList].find(c => /^r\d+$/.test(c)), root = document.documentElement;
    const on = () => { root.dataset.focus = name; }, off = () => { delete root.dataset.focus; };
    chip.addEventListener('pointerenter', on);
    chip.addEventListener('pointerleave', off);
    chip.addEventListener('focusin', e => { if (e.target.matches(':focus-visible')) on(); });
    chip.addEventListener('focusout', off);
  }

  // A link to something in a folded section unfolds it.
  const unfold = () => {
    let place = location.hash.length > 1 && $(location.hash.slice(1));
    if (!place) return;
    const target = place;
    if (target.matches('section')) { const fold = target.querySelector('.fold'); if (fold) fold.open = true; }
    for (; place; place = place.parentElement) if (place.matches('details')) place.open = true;
    target.scrollIntoView();
  };
  addEventListener('hashchange', unfold);
  if (location.hash) addEventListener('load', unfold);

  // The section in sight is marked in the contents.
  const links = new Map(all('nav a').map(a => [a.hash.slice(1), a]));
  if ('IntersectionObserver' in window) {
    const seen = new Set();
    const watch = new IntersectionObserver(entries => {
      for (const e of entries) if (e.isIntersecting) seen.add(e.target.id); else seen.delete(e.target.id);
      const first = [...links.keys()].find(id => seen.has(id));
      for (const [id, a] of links)
        if (id === first) a.setAttribute('aria-current', 'true'); else a.removeAttribute('aria-current');
    }, {rootMargin: '-12% 0px -60% 0px'});
    for (const id of links.keys()) if ($(id)) watch.observe($(id));
  }

  // Headings sort their tables.
  const number = text => {
    const value = parseFloat(text.replace(/,/g, ''));
    return Number.isNaN(value) ? null : value;
  };
  for (const table of all('table.sortable')) table.addEventListener('click', event => {
    const button = event.target.closest('.sort');
    if (!button) return;
    const heading = button.parentElement, column = heading.cellIndex, body = table.tBodies[0];
    const isUp = heading.getAttribute('aria-sort') === 'descending';
    for (const th of all('thead th', table)) th.removeAttribute('aria-sort');
    heading.setAttribute('aria-sort', isUp ? 'ascending' : 'descending');
    const isText = heading.classList.contains('text'), sign = isUp ? 1 : -1;
    const rows = [...body.rows].map(row => [row.cells[column].textContent, row]);
    rows.sort(([a], [b]) => {
      if (isText) return sign * a.localeCompare(b);
      const x = number(a), y = number(b);
      return x === null ? 1 : y === null ? -1 : sign * (x - y);
    });
    for (const [, row] of rows) body.append(row);
  });

  // Samples over training: of each run the last that is not after the step.
  const film = $('film');
  if (film) {
    const steps = film.dataset.steps.split(' ').map(Number);
    film.setAttribute('aria-valuetext', `step ${steps[film.value]}`);
    film.addEventListener('input', () => {
      const step = steps[film.value], text = step.toLocaleString('en');
      $('film-step').textContent = text;
      film.setAttribute('aria-valuetext', `step ${text}`);
      for (const row of all('.film')) {
        const images = all('img', row);
        let shown = images[0];
        for (const image of images) if (+image.dataset.step <= step) shown = image;
        for (const image of images) image.hidden = image !== shown;
        row.querySelector('output').textContent = (+shown.dataset.step).toLocaleString('en');
      }
    });
  }

  // Images: as many columns as there are runs, and one enlarged beside its original.
  const strips = all('.strip');
  for (const box of all('.strips'))
    box.style.setProperty('--cells', Math.min(12, Math.max(2, strips[0].querySelectorAll('li').length)));
  const dialog = $('enlarged');
  if (dialog) {
    const [under, over, canvas] = ['.under', '.over', '.tokens'].map(q => dialog.querySelector(q));
    const curtain = $('curtain'), words = dialog.querySelector('.reading'), stage = dialog.querySelector('.stage');
    const flags = {difference: false, tokens: false};
    let current, hue = 0;
    const isShown = b => b.closest('li').getClientRects().length > 0;
    const cut = () => {
      over.style.clipPath = flags.difference ? '' : `inset(0 0 0 ${100 - curtain.value}%)`;
    };
    const grid = () => {
      const {tokens, columns, depth} = current.dataset;
      if (!tokens) return null;
      const ids = tokens.split(' '), size = +depth, width = +columns, cells = [];
      for (let i = 0; i < ids.length; i += size) cells.push(ids.slice(i, i + size));
      return {cells, width, height: cells.length / width};
    };
    // One colour a token, the same for the same token.
    const paint = () => {
      const map = flags.tokens && grid();
      canvas.hidden = !map;
      if (!map) return;
      canvas.width = map.width;
      canvas.height = map.height;
      const context = canvas.getContext('2d');
      map.cells.forEach((ids, i) => {
        hue = ids.reduce((sum, id) => (sum * 31 + +id) % 9973, 7);
        context.fillStyle = `hsl(${hue * 137.5 % 360} ${45 + hue % 4 * 12}% ${35 + hue % 5 * 9}%)`;
        context.fillRect(i % map.width, Math.floor(i / map.width), 1, 1);
      });
    };
    const show = button => {
      current = button;
      const strip = button.closest('.strip'), cell = button.closest('li');
      under.src = strip.querySelector('.original img').src;
      over.src = flags.difference ? cell.querySelector('.difference').src : button.querySelector('img').src;
      $('enlarged-title').textContent =
        `${button.dataset.run}, ${strip.getAttribute('aria-label')}: ${cell.querySelector('b').textContent} dB`;
      under.alt = `original ${strip.getAttribute('aria-label')}`;
      over.alt = flags.difference ? 'difference' : `reconstruction by ${button.dataset.run}`;
      words.textContent = flags.tokens ? 'Point at the image to read its tokens.' : '';
      dialog.querySelector('.show-tokens').disabled = !button.dataset.tokens;
      cut();
      paint();
    };
    const move = (direction, isRun) => {
      const strip = current.closest('.strip');
      const runs = all('.enlarge', strip).filter(isShown), place = runs.indexOf(current);
      if (isRun) return show(runs[(place + 1) % runs.length]);
      const next = strips[(strips.indexOf(strip) + direction + strips.length) % strips.length];
      show(all('.enlarge', next).filter(isShown)[place]);
    };
    for (const box of all('.strips')) box.addEventListener('click', event => {
      const button = event.target.closest('.enlarge');
      if (!button) return;
      show(button);
      dialog.showModal();
    });
    curtain.addEventListener('input', cut);
    dialog.addEventListener('click', event => {
      if (event.target === dialog) return dialog.close();
      const button = event.target.closest('button');
      if (!button) return;
      const action = button.className;
      if (action === 'close') dialog.close();
      else if (action === 'previous') move(-1);
      else if (action === 'next-image') move(1);
      else if (action === 'other') move(0, true);
      else {
        const flag = action === 'show-tokens' ? 'tokens' : 'difference';
        flags[flag] = !flags[flag];
        button.setAttribute('aria-pressed', String(flags[flag]));
        show(current);
      }
    });
    stage.addEventListener('pointermove', event => {
      const box = stage.getBoundingClientRect(), x = (event.clientX - box.left) / box.width;
      const y = (event.clientY - box.top) / box.height, map = flags.tokens && grid();
      if (map && x >= 0 && x < 1 && y >= 0 && y < 1) {
        const column = Math.floor(x * map.width), row = Math.floor(y * map.height);
        const ids = map.cells[row * map.width + column], name = ids.join(' ');
        const same = map.cells.filter(other => other.join(' ') === name).length;
        words.textContent = `row ${row + 1}, column ${column + 1}: token ${name}, ` +
          `${same} of ${map.cells.length} in this image`;
      } else if (!flags.tokens && event.buttons === 1) {
        curtain.value = 100 - 100 * x;
        cut();
      }
    });
    dialog.addEventListener('close', () => { if (current) current.focus(); });
  }

  // Numbers to take along.
  const save = (name, text, type) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], {type}));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const cell = value => {
    const text = String(value ?? '');
    return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  const csv = rows => rows.map(row => row.map(cell).join(',')).join('\n') + '\n';
  const table = element => [...element.rows].map(row => [...row.cells].map(c => c.textContent));
  // Every point of a figure's curves that is drawn; of other figures their tables.
  const points = figure => {
    const script = figure.querySelector('script');
    const data = script && JSON.parse(script.textContent);
    if (!data || data.kind !== 'lines') return null;
    return data.series.flatMap(s => {
      const xs = typeof s.x === 'number' ? data.series[s.x].x : s.x;
      return xs.map((x, i) => [s.n, x, s.y[i]]);
    });
  };
  const heading = figure => figure.querySelector('h3').textContent;
  document.addEventListener('click', event => {
    const button = event.target.closest('.csv');
    if (!button) return;
    const figure = button.closest('figure'), rows = points(figure);
    save(`${figure.id.replace(/^fig-/, '')}.csv`, csv(rows
      ? [['curve', JSON.parse(figure.querySelector('script').textContent).title, heading(figure)], ...rows]
      : table(figure.querySelector('table'))), 'text/csv');
  });
  const on = (id, action) => { if ($(id)) $(id).addEventListener('click', action); };
  on('download-table', () => {
    const key = document.querySelector('#verdicts table.sortable');
    if (key) save('key-numbers.csv', csv(table(key)), 'text/csv');
  });
  on('download-curves', () => save('curves.csv', csv([['figure', 'curve', 'x', 'y'],
    ...all('figure.plot').flatMap(f => (points(f) || []).map(row => [heading(f), ...row]))]), 'text/csv'));
  on('download-json', () => save('results.json', $('results').textContent, 'application/json'));
})();
