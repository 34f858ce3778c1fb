// Reads values off charts by pointer, touch and keyboard, and draws curves anew when the view changes:
// another horizontal axis, smoothing, a logarithmic scale, a part of the axis. Without it the page
// shows the same curves, with titles, legends and tables.
(() => {
  'use strict';
  const WIDTH = 360;
  const text = v => {
    const a = Math.abs(v);
    if (a === 0) return '0';
    if (a >= 1e7 || a < 1e-4) return v.toExponential(2).replace('+', '');
    return a >= 1e4 ? Math.round(v).toLocaleString('en') : String(+v.toPrecision(4));
  };
  const escaped = s => s.replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`);
  const n1 = v => String(Math.round(v * 10) / 10);
  // The index of the nearest number in a sorted list.
  const nearest = (list, value) => {
    let low = 0, high = list.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (list[middle] <= value) low = middle; else high = middle;
    }
    return value - list[low] <= list[high] - value ? low : high;
  };
  // A chain of corners [[x...], [y...]] at x; beyond its end it goes on as it ended.
  const along = ([xs, ys], x) => {
    const last = xs.length - 1;
    let k = 1;
    if (last > 1) {
      let low = 0, high = last;
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (xs[middle] <= x) low = middle; else high = middle;
      }
      k = high;
    }
    const span = xs[k] - xs[k - 1];
    return span > 0 ? ys[k - 1] + (ys[k] - ys[k - 1]) * (x - xs[k - 1]) / span : ys[k];
  };
  // The points of a curve from one place to another, and where it crosses them.
  const within = (xs, ys, low, high) => {
    const x = [], y = [];
    for (let i = 0; i < xs.length; i++) {
      if (i > 0)
        for (const edge of [low, high])
          if (xs[i - 1] < edge && edge < xs[i]) {
            x.push(edge);
            y.push(ys[i - 1] + (ys[i] - ys[i - 1]) * (edge - xs[i - 1]) / (xs[i] - xs[i - 1]));
          }
      if (xs[i] >= low && xs[i] <= high) { x.push(xs[i]); y.push(ys[i]); }
    }
    return [x, y];
  };
  const share = (v, low, high, log) =>
    log ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low);
  const niceStep = (span, count) => {
    const rough = span / Math.max(1, count), decade = 10 ** Math.floor(Math.log10(rough));
    for (const digit of [1, 2, 5]) if (digit * decade >= rough * 0.999999) return digit * decade;
    return 10 * decade;
  };
  const scale = (values, including, log) => {
    let low = Infinity, high = -Infinity;
    for (const v of [...values, ...including]) {
      if (!Number.isFinite(v) || (log && v <= 0)) continue;
      if (v < low) low = v;
      if (v > high) high = v;
    }
    if (low > high) [low, high] = log ? [1, 10] : [0, 1];
    if (log) {
      if (high / low < 1.000001) { low /= 2; high *= 2; }
      const below = v => {
        const decade = 10 ** Math.floor(Math.log10(v) + 1e-9);
        for (const digit of [5, 2]) if (digit * decade <= v * 1.000001) return digit * decade;
        return decade;
      };
      return [below(low), 1 / below(1 / high)];
    }
    if (low === high) { const half = low === 0 ? 1 : Math.abs(low) / 2; low -= half; high += half; }
    const step = niceStep(high - low, 5);
    return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
  };
  const label = (value, step) => {
    const size = Math.abs(value);
    if (size < step * 1e-6) return '0';
    const places = s => Math.max(0, Math.floor(-Math.log10(s) + 0.999));
    if (size >= 1e6) return (value / 1e6).toFixed(Math.min(3, places(step / 1e6))) + 'M';
    if (size >= 1e4) return (value / 1e3).toFixed(Math.min(3, places(step / 1e3))) + 'k';
    if (step < 1e-4) return value.toExponential(1).replace('+', '').replace('.0', '');
    return (+value.toFixed(Math.min(6, places(step)))).toLocaleString('en',
      {minimumFractionDigits: Math.min(6, places(step))});
  };
  const ticks = (low, high, log, count) => {
    if (log && high / low > 4) {
      const first = Math.floor(Math.log10(low)) - 1, last = Math.ceil(Math.log10(high)) + 1;
      for (const digits of [[1, 2, 5], [1, 3], [1]]) {
        const all = [];
        for (let e = first; e <= last; e++)
          for (const d of digits) {
            const v = d * 10 ** e;
            if (v >= low * 0.999999 && v <= high * 1.000001) all.push(v);
          }
        const stride = digits.length === 1 ? Math.ceil(all.length / count) : 1;
        if (all.length >= 2 && all.length / stride <= count)
          return all.filter((_, i) => i % stride === 0).map(v => [v,
            v >= 1e6 || v < 0.999e-3 ? v.toExponential(0).replace('+', '') : label(v, v)]);
      }
    }
    const step = niceStep(high - low, Math.max(1, count - 1)), all = [];
    for (let k = Math.ceil(low / step - 1e-9); k <= Math.floor(high / step + 1e-9); k++)
      all.push([k * step, label(k * step, step)]);
    return all;
  };

  const faint = s => s.c.endsWith(' faint');

  // What holds for all charts whose horizontal axis is the step.
  const view = {axis: 'step', smooth: 0, grouped: false};
  const source = document.getElementById('view-data');
  const {clocks = {}, groups = []} = source ? JSON.parse(source.textContent) : {};
  const shownRun = r => {
    const box = document.getElementById(`run-${r}`);
    return !box || box.checked;
  };
  // Views that have been made, and those within the window.
  const views = new Set(), visible = new Set();

  const lines = (figure, svg, data, out) => {
    for (const s of data.series) if (typeof s.x === 'number') s.x = data.series[s.x].x;
    const original = svg.innerHTML;
    let isOriginal = true;
    const isStep = data.title === 'step';
    const values = [...figure.querySelectorAll('.legend b')];
    const ends = values.map(b => b.textContent);
    const said = v => data.decimals === null ? text(v) : v.toFixed(data.decimals);
    const state = {log: data.y[4] === 1, zoom: null};
    let drawn = true, shape, xs, places, at, group, dots, caption;

    const place = (s, x) =>
      isStep && view.axis !== 'step' ? along(clocks[s.r][view.axis], x) : x;
    const known = s => !isStep || view.axis === 'step' || (clocks[s.r] || {})[view.axis];
    const smoothed = ys => {
      let sum = 0, weight = 0;
      return ys.map(y => {
        sum = sum * view.smooth + (1 - view.smooth) * y;
        weight = weight * view.smooth + (1 - view.smooth);
        return sum / weight;
      });
    };
    // Curves as they are to be drawn: places on the axis, values, bands.
    const curves = () => {
      let list = data.series.map((s, i) => known(s) && {
        ...s, i, x: s.x.map(x => place(s, x)),
        y: isStep && view.smooth ? smoothed(s.y) : s.y,
        raw: isStep && view.smooth ? s.y : null,
        b: s.b && [s.b[0].map(x => place(s, x)), s.b[1], s.b[2].map(x => place(s, x)), s.b[3]],
      });
      if (isStep && view.grouped)
        for (const members of groups) {
          const variants = new Map();
          for (const s of list) {
            if (!s || !members.includes(s.r) || !shownRun(s.r)) continue;
            const variant = s.c.split(' ')[1] || '';
            variants.set(variant, [...(variants.get(variant) || []), s]);
          }
          for (const same of variants.values()) {
            // Of one run there may be many curves of a kind, of which none stands for the run.
            if (same.length < 2 || new Set(same.map(s => s.r)).size < same.length) continue;
            const low = Math.max(...same.map(s => s.x[0]));
            const high = Math.min(...same.map(s => s.x[s.x.length - 1]));
            if (!(low < high)) continue;
            const grid = same[0].x.filter(x => x >= low && x <= high);
            const rows = grid.map(x => same.map(s => along([s.x, s.y], x)));
            const mean = {...same[0], x: grid, raw: null,
              n: `mean of ${same.map(s => s.n).join(', ')}`, l: `mean of ${same.length}`,
              y: rows.map(row => row.reduce((a, b) => a + b) / row.length),
              b: [grid, rows.map(row => Math.min(...row)), grid, rows.map(row => Math.max(...row))]};
            list = list.map(s => same.includes(s) ? (s === same[0] ? mean : false) : s);
          }
        }
      return list;
    };

    const draw = () => {
      const isDefault = !state.zoom && state.log === (data.y[4] === 1) &&
        !(isStep && (view.axis !== 'step' || view.smooth || view.grouped));
      const all = isDefault ? data.series.map((s, i) => ({...s, i})) : curves();
      shape = {curves: all, left: data.x[0], right: data.x[1], bottom: data.y[0], top: data.y[1]};
      if (isDefault) {
        [shape.x0, shape.x1, shape.xlog] = data.x.slice(2);
        [shape.y0, shape.y1, shape.ylog] = data.y.slice(2);
      } else {
        const shown = all.filter(s => s && shownRun(s.r));
        const xlog = data.x[4] === 1, edge = shown.flatMap(s => [s.x[0], s.x[s.x.length - 1]]);
        const full = [xlog || data.x[2] !== 0 ? Math.min(...edge) : 0, Math.max(...edge)];
        if (!edge.length) [full[0], full[1]] = [0, 1];
        [shape.x0, shape.x1] = state.zoom || full;
        if (!(shape.x1 > shape.x0)) shape.x1 = shape.x0 + 1;
        shape.xlog = xlog ? 1 : 0;
        const inside = (x, y) => y.filter((_, i) => x[i] >= shape.x0 && x[i] <= shape.x1);
        const ys = shown.flatMap(s => [...inside(s.x, s.y),
          ...(s.b && !s.raw ? [...inside(s.b[0], s.b[1]), ...inside(s.b[2], s.b[3])] : [])]);
        [shape.y0, shape.y1] = scale(ys, state.zoom ? [] : data.including, state.log);
        shape.ylog = state.log ? 1 : 0;
      }
      // What is drawn of a curve in a part of the axis ends at its edges.
      if (state.zoom)
        shape.curves = all.map(s => {
          if (!s) return s;
          const [x, y] = within(s.x, s.y, shape.x0, shape.x1);
          return {...s, x, y, raw: s.raw && within(s.x, s.raw, shape.x0, shape.x1)[1],
            b: s.b && [...within(s.b[0], s.b[1], shape.x0, shape.x1),
              ...within(s.b[2], s.b[3], shape.x0, shape.x1)]};
        });
      const px = x => shape.left + share(x, shape.x0, shape.x1, shape.xlog) * (shape.right - shape.left);
      const py = y => shape.bottom + share(y, shape.y0, shape.y1, shape.ylog) * (shape.top - shape.bottom);
      Object.assign(shape, {px, py, isDefault});
      shape.events = isDefault ? [] : (data.events || []).filter(known)
        .map(e => ({...e, x: place(e, e.x)}));
      if (!isDefault || !isOriginal) svg.innerHTML = isDefault ? original : picture(shape, data, isStep ? view.axis : data.title);
      if (isDefault && isOriginal) for (const e of svg.querySelectorAll('.reader,.chosen')) e.remove();
      isOriginal = isDefault;
      xs = [...new Set(all.flatMap(s => s ? s.x : []))].filter(x => x >= shape.x0 && x <= shape.x1)
        .sort((a, b) => a - b);
      places = xs.map(px);
      at = xs.length - 1;
      svg.insertAdjacentHTML('beforeend', '<g class="reader"><path class="cross"/><text></text>' +
        all.map(s => `<circle r="3.2" class="dot ${s ? s.c : ''}"/>`).join('') + '</g>' +
        '<rect class="chosen"/>');
      group = svg.querySelector('.reader');
      dots = group.querySelectorAll('circle');
      caption = group.querySelector('text');
      group.style.display = 'none';
      if (buttons.log) buttons.log.setAttribute('aria-pressed', String(state.log));
      if (buttons.reset) buttons.reset.hidden = !state.zoom;
      drawn = true;
    };
    const ready = () => { if (!drawn || !shape) draw(); };

    // The cross at a place of the axis, and every curve's value there.
    const mark = (x, tells) => {
      const {left, right, top, bottom, px, py} = shape, words = [], here = px(x);
      group.style.display = '';
      group.firstElementChild.setAttribute('d', `M${n1(here)} ${bottom}V${top}`);
      caption.textContent = text(x);
      const isRight = here > (left + right) / 2;
      caption.setAttribute('x', here + (isRight ? -5 : 5));
      caption.setAttribute('text-anchor', isRight ? 'end' : 'start');
      caption.setAttribute('y', top + 8);
      shape.curves.forEach((s, i) => {
        const isKnown = s && s.x.length && x >= s.x[0] && x <= s.x[s.x.length - 1];
        const k = isKnown ? nearest(s.x, x) : 0;
        dots[i].style.display = isKnown ? '' : 'none';
        if (isKnown) {
          dots[i].setAttribute('cx', px(s.x[k]));
          dots[i].setAttribute('cy', Math.max(top - 4, Math.min(bottom + 2, py(s.y[k]))));
          if (shownRun(s.r) && !faint(s)) words.push(`${s.n} ${said(s.y[k])}`);
        }
        if (values[i]) values[i].textContent = isKnown ? said(s.y[k]) : '–';
      });
      if (tells) out.textContent = `${isStep ? view.axis : data.title} ${text(x)}: ${words.join(', ')}`;
    };
    const show = (index, tells = true) => {
      if (!xs.length) return;
      at = Math.max(0, Math.min(xs.length - 1, index));
      mark(xs[at], tells);
      if (isStep) for (const other of visible) if (other !== me && other.isStep) other.follow(xs[at]);
    };
    const hide = () => {
      if (!group) return;
      group.style.display = 'none';
      values.forEach((b, i) => { b.textContent = ends[i]; });
      out.textContent = '';
      delete figure.dataset.focus;
    };
    const step = (direction, fine) => {
      let next = at + direction;
      while (!fine && xs[next] !== undefined && Math.abs(places[next] - places[at]) < 3)
        next += direction;
      show(next);
    };
    const zoom = range => {
      state.zoom = range && range[1] > range[0] ? range : null;
      draw();
    };
    const closer = factor => {
      ready();
      const x = xs[at] ?? shape.x1, half = (shape.x1 - shape.x0) * factor / 2;
      const full = [data.x[2], isStep && view.axis !== 'step' ? Infinity : data.x[3]];
      const low = Math.max(full[0], x - half), high = Math.min(full[1], x + half);
      const isAll = low <= full[0] && high >= full[1];
      zoom(isAll ? null : [low, high]);
      show(nearest(xs, x));
    };
    const buttons = {};
    const me = {
      isStep, hide, ready,
      get range() { return [shape.x0, shape.x1]; },
      log: () => { state.log = !state.log; draw(); },
      reset: () => zoom(null),
      redraw: axisChanged => {
        if (axisChanged) state.zoom = null;
        drawn = false;
        if (visible.has(me)) draw();
      },
      buttons,
      show: () => { ready(); show(at); },
      follow: x => {
        ready();
        if (x >= shape.x0 && x <= shape.x1) mark(x, false); else hide();
      },
      point: (x, y) => {
        ready();
        show(nearest(places, x));
        // The nearest curve stands out where there are several.
        let best = 24, name = null, near = null;
        for (const s of shape.curves) {
          if (!s || !s.x.length || !shownRun(s.r)) continue;
          const distance = Math.abs(shape.py(s.y[nearest(s.x, xs[at])]) - y);
          if (distance < best) [best, name, near] = [distance, `r${s.r}`, s];
        }
        // The legend does not name faint ones.
        if (near && faint(near)) caption.textContent = near.n;
        if (name) figure.dataset.focus = name; else delete figure.dataset.focus;
      },
      // A part of the axis, in units of the picture, as it is dragged; drawn, or taken at the end.
      drag: (from, to, isDone) => {
        const low = Math.max(shape.left, Math.min(from, to));
        const high = Math.min(shape.right, Math.max(from, to));
        const box = svg.querySelector('.chosen');
        box.setAttribute('x', low);
        box.setAttribute('width', Math.max(0, high - low));
        box.setAttribute('y', shape.top);
        box.setAttribute('height', shape.bottom - shape.top);
        if (!isDone) return;
        const value = p => {
          const part = (p - shape.left) / (shape.right - shape.left);
          return shape.xlog ? shape.x0 * (shape.x1 / shape.x0) ** part
            : shape.x0 + part * (shape.x1 - shape.x0);
        };
        box.setAttribute('width', 0);
        if (high - low > 4) zoom([value(low), value(high)]);
      },
      key: (name, fine) => {
        ready();
        if (name === 'ArrowLeft') step(-1, fine);
        else if (name === 'ArrowRight') step(1, fine);
        else if (name === 'Home') show(0);
        else if (name === 'End') show(xs.length - 1);
        else if (name === 'l') me.log();
        else if (name === '+' || name === '=') closer(0.5);
        else if (name === '-') closer(2);
        else if (name === '0') me.reset();
        else return false;
        return true;
      },
    };
    return me;
  };

  // A chart's picture in a view that is not the page's first one.
  const picture = (shape, data, title) => {
    const {left, right, top, bottom, px, py} = shape;
    let grid = '', base = '', labels = '';
    for (const [v, name] of ticks(shape.y0, shape.y1, shape.ylog, 6)) {
      grid += `M${left} ${n1(py(v))}H${right}`;
      labels += `<text class="end" x="${left - 6}" y="${n1(py(v) + 4)}">${name}</text>`;
    }
    for (const [v, name] of ticks(shape.x0, shape.x1, shape.xlog, 6)) {
      const half = name.length * 3.35;
      base += `M${n1(px(v))} ${bottom}v4`;
      labels += `<text class="middle" x="${n1(Math.min(Math.max(px(v), half + 1), WIDTH - half - 1))}"` +
        ` y="${bottom + 17}">${name}</text>`;
    }
    const path = (xs, ys) => {
      let d = '', pen = 'M';
      for (let i = 0; i < xs.length; i++) {
        const x = px(xs[i]), y = py(ys[i]);
        if (!Number.isFinite(x) || !Number.isFinite(y) || x < left - 1 || x > right + 1) {
          pen = 'M';
          continue;
        }
        d += `${pen}${n1(x)} ${n1(Math.min(Math.max(y, top - 4), bottom + 2))}`;
        pen = ' ';
      }
      return d;
    };
    const curves = shape.curves.filter(s => s);
    const opacity = Math.min(0.18, Math.max(0.03, 0.36 / Math.max(1, curves.length)));
    const bands = curves.map(s => {
      if (!s.b || s.raw) return '';
      const one = path(s.b[0], s.b[1]).slice(1), other = path(s.b[2], s.b[3]).slice(1);
      if (!one || !other || one.includes('M') || other.includes('M')) return '';
      const back = other.split(' '), turned = [];
      for (let i = back.length - 2; i >= 0; i -= 2) turned.push(`${back[i]} ${back[i + 1]}`);
      return `<path class="s mark band ${s.c}" style="opacity:${opacity.toFixed(2)}" ` +
        `d="M${one} ${turned.join(' ')}Z"/>`;
    }).join('');
    const raws = curves.map(s => s.raw
      ? `<path class="s raw line ${s.c}" d="${path(s.x, s.raw)}"/>` : '').join('');
    const strong = curves.filter(s => !faint(s));
    const all = [...curves.filter(faint), ...strong].map(s =>
      `<g class="s ${s.c}"><title>${escaped(s.n)}</title><path class="mark line" d="${path(s.x, s.y)}"/></g>`)
      .join('');
    let levels = '';
    for (const [v, name] of data.references) {
      const y = py(v);
      if (!(y >= top - 1 && y <= bottom + 1)) continue;
      levels += `<path class="reference" d="M${left} ${n1(y)}H${right}"/><text class="remark" ` +
        `x="${left + 4}" y="${n1(y - top < 14 ? y + 12 : y - 4)}">${escaped(name)}</text>`;
    }
    const moments = shape.events.map(e => {
      const x = px(e.x);
      if (!(x >= left - 1 && x <= right + 1)) return '';
      return `<g class="s event r${e.r}"><title>${escaped(e.n)}</title><path d="M${n1(x)} ${bottom}V${top}"/>` +
        `<path class="flag" d="M${n1(x - 4)} ${bottom + 6}h8l-4 -6z"/></g>`;
    }).join('');
    const named = [];
    if (strong.length > 1 && strong.length <= 14)
      for (const s of strong) {
        if (!s.l) continue;
        let k = s.x.length - 1;
        while (k >= 0 && !(s.x[k] <= shape.x1 && s.x[k] >= shape.x0 && Number.isFinite(py(s.y[k])))) k--;
        if (k < 0) continue;
        const isEdge = right - px(s.x[k]) < 4, width = s.l.length * 7.6;
        named.push({s, isEdge, x: isEdge ? right + 6 : Math.min(px(s.x[k]) + 5, WIDTH - width - 1),
          y: Math.min(Math.max(py(s.y[k]), top), bottom - 6), width});
      }
    named.sort((a, b) => a.y - b.y);
    const placed = [];
    for (const one of named) {
      while (placed.some(p => Math.abs(p.y - one.y) < 12.5 && p.x < one.x + one.width + 2 &&
        one.x < p.x + p.width + 2)) one.y += 2;
      placed.push(one);
    }
    let limit = bottom + 2;
    for (const one of placed.filter(p => p.isEdge).reverse()) {
      one.y = Math.min(one.y, limit);
      limit = one.y - 12.5;
    }
    const direct = placed.map(p => `<text class="s direct ${p.s.c}" x="${n1(p.x)}" ` +
      `y="${n1(Math.max(p.y, top) + 4)}">${escaped(p.s.l)}</text>`).join('');
    return `<path class="grid" d="${grid}"/><path class="base" d="M${left} ${bottom}H${right}${base}"/>` +
      `<g class="labels">${labels}</g><text class="middle labels" x="${(left + right) / 2}" ` +
      `y="${bottom + 32}">${escaped(title)}</text>${moments}${bands}${raws}${all}${levels}${direct}`;
  };

  const heat = (figure, svg, data, out) => {
    let row = 0, column = data.columns.length - 1;
    svg.insertAdjacentHTML('beforeend', '<rect class="cross" fill="none"/>');
    const frame = svg.lastElementChild;
    frame.style.display = 'none';
    const show = (r, c) => {
      row = Math.max(0, Math.min(data.rows.length - 1, r));
      column = Math.max(0, Math.min(data.columns.length - 1, c));
      const value = data.values[row][column];
      frame.style.display = '';
      frame.setAttribute('x', data.left + column * data.width);
      frame.setAttribute('y', data.top + row * data.height);
      frame.setAttribute('width', data.width);
      frame.setAttribute('height', data.height - 1);
      out.textContent = `${data.rows[row]}, ${data.title} ${text(data.columns[column])}: ` +
        (value === null ? 'not known' : text(value));
    };
    const hide = () => { frame.style.display = 'none'; out.textContent = ''; };
    return {
      hide, ready: () => {}, show: () => show(row, column), buttons: {},
      point: (x, y) => show(Math.floor((y - data.top) / data.height),
        Math.floor((x - data.left) / data.width)),
      key: name => {
        if (name === 'ArrowLeft') show(row, column - 1);
        else if (name === 'ArrowRight') show(row, column + 1);
        else if (name === 'ArrowUp') show(row - 1, column);
        else if (name === 'ArrowDown') show(row + 1, column);
        else if (name === 'Home') show(row, 0);
        else if (name === 'End') show(row, data.columns.length - 1);
        else return false;
        return true;
      },
    };
  };

  const watch = 'IntersectionObserver' in window && new IntersectionObserver(entries => {
    for (const {target, isIntersecting} of entries) {
      const make = target.chartReader;
      if (isIntersecting) { const v = make(); visible.add(v); v.ready(); } else {
        const v = target.chartMade;
        if (v) { v.hide(); visible.delete(v); }
      }
    }
  });

  for (const figure of document.querySelectorAll('figure.plot')) {
    const script = figure.querySelector('script');
    if (!script) continue;
    const box = figure.querySelector('.picture'), svg = box.querySelector('svg');
    const out = figure.querySelector('.reading');
    const isLines = svg.classList.contains('lines');
    let reader;
    // Made when it is first asked for: a page opens no slower for its numbers.
    const ready = () => {
      if (reader) return reader;
      const data = JSON.parse(script.textContent);
      reader = (data.kind === 'heat' ? heat : lines)(figure, svg, data, out);
      figure.chartMade = reader;
      views.add(reader);
      const tools = figure.querySelector('.tools');
      if (tools) for (const name of ['log', 'reset']) reader.buttons[name] = tools.querySelector('.' + name);
      return reader;
    };
    figure.chartReader = ready;
    if (isLines) {
      const tools = document.createElement('div');
      tools.className = 'tools';
      tools.innerHTML = '<button type="button" class="reset" hidden>Reset zoom</button>' +
        `<button type="button" class="log" aria-pressed="${svg.dataset.log === '1'}">Log</button>`;
      box.before(tools);
      tools.addEventListener('click', event => {
        const button = event.target.closest('button');
        if (!button) return;
        ready().ready();
        if (button.className === 'log') ready().log(); else { ready().reset(); box.focus(); }
      });
    }
    box.tabIndex = 0;
    box.setAttribute('role', 'group');
    box.setAttribute('aria-label', figure.querySelector('h3').textContent + ': arrow keys read its values' +
      (isLines ? ', plus and minus zoom, 0 resets, L changes the scale' : ''));
    let from = null;
    const place = event => {
      const bounds = svg.getBoundingClientRect(), factor = WIDTH / bounds.width;
      return [(event.clientX - bounds.left) * factor, (event.clientY - bounds.top) * factor];
    };
    box.addEventListener('pointermove', event => {
      const [x, y] = place(event);
      ready().point(x, y);
      if (from !== null && Math.abs(x - from) > 4) reader.drag(from, x, false);
    });
    box.addEventListener('pointerdown', event => {
      const [x, y] = place(event);
      ready().point(x, y);
      if (isLines && event.pointerType === 'mouse' && event.button === 0) {
        from = x;
        box.setPointerCapture(event.pointerId);
        event.preventDefault();
        box.focus({preventScroll: true, focusVisible: false});
      }
    });
    const end = (event, isTaken) => {
      if (from === null) return;
      reader.drag(from, isTaken ? place(event)[0] : from, true);
      from = null;
    };
    box.addEventListener('pointerup', event => end(event, true));
    box.addEventListener('pointercancel', event => end(event, false));
    box.addEventListener('dblclick', () => { if (isLines) ready().reset(); });
    box.addEventListener('pointerleave', event => {
      if (event.pointerType === 'mouse' && reader && from === null) {
        for (const other of visible) other.hide();
        reader.hide();
      }
    });
    box.addEventListener('focus', () => {
      if (box.matches(':focus-visible')) ready().show();
    });
    box.addEventListener('blur', () => {
      for (const other of visible) other.hide();
      if (reader) reader.hide();
    });
    box.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        for (const other of visible) other.hide();
        if (reader) reader.hide();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      if (ready().key(name, event.shiftKey)) event.preventDefault();
    });
    if (watch) watch.observe(figure);
  }

  // `view` events change what holds for all charts: {axis, smooth, grouped}.
  document.addEventListener('view', event => {
    const isOther = 'axis' in event.detail && event.detail.axis !== view.axis;
    Object.assign(view, event.detail);
    for (const one of views) if (one.redraw && one.isStep) one.redraw(isOther);
  });
})();
