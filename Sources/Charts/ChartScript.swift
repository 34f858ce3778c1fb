/// The page's own script: reads values off charts by pointer, touch and keyboard, and checks that
/// every chart was drawn.
///
/// It sets `data-charts` on the root element to `N of N drawn`, or to what is wrong, and
/// `data-overflow` to `none`, or to by how many pixels the page is too wide. Without it the page
/// says the same by legends, titles and tables.
public enum ChartScript {
  /// The text of the `script` element.
  public static let source = #"""
    (() => {
      'use strict';
      const text = v => {
        const a = Math.abs(v);
        if (a === 0) return '0';
        if (a >= 1e7 || a < 1e-4) return v.toExponential(2).replace('+', '');
        return a >= 1e4 ? Math.round(v).toLocaleString('en') : String(+v.toPrecision(4));
      };
      // The index of the nearest number in a sorted list.
      const nearest = (list, value) => {
        let low = 0, high = list.length - 1;
        while (high - low > 1) {
          const middle = (low + high) >> 1;
          if (list[middle] <= value) low = middle; else high = middle;
        }
        return value - list[low] <= list[high] - value ? low : high;
      };
      const share = (v, low, high, log) =>
        log ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low);

      const lines = (figure, svg, data, out) => {
        const [left, right, x0, x1, xlog] = data.x, [bottom, top, y0, y1, ylog] = data.y;
        const px = x => left + share(x, x0, x1, xlog) * (right - left);
        const py = y => bottom + share(y, y0, y1, ylog) * (top - bottom);
        for (const s of data.series) if (typeof s.x === 'number') s.x = data.series[s.x].x;
        const xs = [...new Set(data.series.flatMap(s => s.x))].sort((a, b) => a - b);
        const places = xs.map(px);
        const values = [...figure.querySelectorAll('.legend b')];
        const ends = values.map(b => b.textContent);
        svg.insertAdjacentHTML('beforeend', '<g class="reader" hidden><path class="cross"/>' +
          '<text></text>' + data.series.map(s => `<circle r="3.2" class="dot ${s.c}"/>`).join('') +
          '</g>');
        const group = svg.lastElementChild, dots = group.querySelectorAll('circle');
        const label = group.querySelector('text');
        const said = v => data.decimals === null ? text(v) : v.toFixed(data.decimals);
        let at = xs.length - 1;
        group.style.display = 'none';
        const show = index => {
          at = Math.max(0, Math.min(xs.length - 1, index));
          const x = xs[at], place = places[at], words = [];
          group.style.display = '';
          group.firstElementChild.setAttribute('d', `M${place} ${bottom}V${top}`);
          label.textContent = text(x);
          label.setAttribute('x', place + (place > (left + right) / 2 ? -5 : 5));
          label.setAttribute('text-anchor', place > (left + right) / 2 ? 'end' : 'start');
          label.setAttribute('y', top + 8);
          data.series.forEach((s, i) => {
            const last = s.x.length - 1, known = x >= s.x[0] && x <= s.x[last];
            const k = nearest(s.x, x);
            dots[i].style.display = known ? '' : 'none';
            if (known) {
              dots[i].setAttribute('cx', px(s.x[k]));
              dots[i].setAttribute('cy', Math.max(top - 4, Math.min(bottom + 2, py(s.y[k]))));
              words.push(`${s.n} ${said(s.y[k])}`);
            }
            if (values[i]) values[i].textContent = known ? said(s.y[k]) : '–';
          });
          out.textContent = `${data.title} ${text(x)}: ${words.join(', ')}`;
        };
        const hide = () => {
          group.style.display = 'none';
          values.forEach((b, i) => { b.textContent = ends[i]; });
          out.textContent = '';
        };
        const step = (direction, fine) => {
          let next = at + direction;
          while (!fine && xs[next] !== undefined && Math.abs(places[next] - places[at]) < 3)
            next += direction;
          show(next);
        };
        return {
          hide, show: () => show(at), point: x => show(nearest(places, x)),
          key: (name, fine) => {
            if (name === 'ArrowLeft') step(-1, fine);
            else if (name === 'ArrowRight') step(1, fine);
            else if (name === 'Home') show(0);
            else if (name === 'End') show(xs.length - 1);
            else return false;
            return true;
          },
        };
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
          hide, show: () => show(row, column),
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

      for (const figure of document.querySelectorAll('figure.plot')) {
        const script = figure.querySelector('script');
        if (!script) continue;
        const box = figure.querySelector('.picture'), svg = box.querySelector('svg');
        const out = figure.querySelector('.reading');
        let reader;
        // Made when it is first asked for: a page opens no slower for its numbers.
        const ready = () => {
          if (reader) return reader;
          const data = JSON.parse(script.textContent);
          return reader = (data.kind === 'heat' ? heat : lines)(figure, svg, data, out);
        };
        box.tabIndex = 0;
        box.setAttribute('role', 'group');
        box.setAttribute('aria-label',
          figure.querySelector('h3').textContent + ': arrow keys read its values');
        const point = event => {
          const bounds = svg.getBoundingClientRect(), scale = 360 / bounds.width;
          ready().point((event.clientX - bounds.left) * scale, (event.clientY - bounds.top) * scale);
        };
        box.addEventListener('pointermove', point);
        box.addEventListener('pointerdown', point);
        box.addEventListener('pointerleave', event => {
          if (event.pointerType === 'mouse' && reader && document.activeElement !== box)
            reader.hide();
        });
        box.addEventListener('focus', () => {
          if (box.matches(':focus-visible')) ready().show();
        });
        box.addEventListener('blur', () => reader && reader.hide());
        box.addEventListener('keydown', event => {
          if (event.key === 'Escape') { if (reader) reader.hide(); return; }
          if (event.ctrlKey || event.metaKey || event.altKey) return;
          if (ready().key(event.key, event.shiftKey)) event.preventDefault();
        });
      }

      addEventListener('load', () => {
        const root = document.documentElement, charts = document.querySelectorAll('svg.chart');
        const faults = [];
        for (const svg of charts) {
          const view = svg.viewBox.baseVal, name = svg.getAttribute('aria-label');
          if (!svg.getClientRects().length) continue;
          if (!svg.querySelector('.mark')) faults.push(`${name} has no marks`);
          for (const mark of svg.querySelectorAll('.mark, text')) {
            if (!mark.getClientRects().length) continue;
            const box = mark.getBBox();
            const inside = box.x >= -1 && box.y >= -1 && box.x + box.width <= view.width + 1 &&
              box.y + box.height <= view.height + 1;
            if (!inside) faults.push(`${name} ${mark.textContent || mark.className.baseVal} outside`);
          }
        }
        root.dataset.charts = faults.length ? faults.slice(0, 20).join('; ')
          : `${charts.length} of ${charts.length} drawn`;
        const wide = root.scrollWidth - root.clientWidth;
        root.dataset.overflow = wide > 0 ? String(wide) : 'none';
      });
    })();
    """#
}
