import Foundation
import Reports
import Testing

/// The page in a real browser; skipped, saying so, where there is none.
@Suite(
  "Report pages in a browser", .serialized,
  .enabled(if: HeadlessBrowser.path != nil, "no chromium or google-chrome in PATH"))
struct BrowserTests {
  private static let html = SyntheticComparison.page().html

  /// Unfolds everything, then says on the root element whether every chart is drawn within its picture
  /// (`data-charts`), and by how many pixels the page is too wide (`data-overflow`).
  private static let check = """
    <script>addEventListener('load', () => {
      const root = document.documentElement, charts = document.querySelectorAll('svg.chart');
      for (const fold of document.querySelectorAll('details')) fold.open = true;
      const faults = [];
      for (const svg of charts) {
        const view = svg.viewBox.baseVal, name = svg.getAttribute('aria-label');
        if (!svg.getClientRects().length) { faults.push(`${name} is hidden`); continue; }
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
    });</script></body>
    """

  /// Opens a page with a script at its end, and the check after it.
  private func visit(_ html: String, width: Int, script: String = "") throws
    -> HeadlessBrowser.Visit
  {
    let added = script.isEmpty ? Self.check : "<script>\(script)</script>" + Self.check
    let page = html.replacingOccurrences(of: "</body>", with: added)
    return try #require(
      try HeadlessBrowser.visit(page, width: width), "the browser did not answer")
  }

  @Test(
    "every chart is drawn within its picture; nothing in the console; no sideways scrolling",
    arguments: [375, 800, 1440])
  func drawn(width: Int) throws {
    let visit = try visit(Self.html, width: width)
    let charts = Self.html.components(separatedBy: "<svg class=\"chart").count - 1
    #expect(charts > 40)
    #expect(visit.root("data-charts") == "\(charts) of \(charts) drawn")
    #expect(visit.root("data-overflow") == "none")
    #expect(visit.console.isEmpty, "\(visit.console)")
  }

  @Test(
    "ten runs with long names: drawn, and no wider than a telephone or a screen",
    arguments: [375, 1440])
  func tenRuns(width: Int) throws {
    let page = SyntheticComparison.manyRuns(10).html
    let visit = try visit(page, width: width)
    #expect(
      visit.root("data-charts")?.hasSuffix(" drawn") == true, "\(visit.root("data-charts") ?? "")")
    #expect(visit.root("data-overflow") == "none")
  }

  @Test("a page with priors: drawn, and no wider than its window", arguments: [375, 1440])
  func priors(width: Int) throws {
    let html = SyntheticPriors.page().html
    let visit = try visit(html, width: width)
    let charts = html.components(separatedBy: "<svg class=\"chart").count - 1
    #expect(visit.root("data-charts") == "\(charts) of \(charts) drawn")
    #expect(visit.root("data-overflow") == "none")
    #expect(visit.console.isEmpty, "\(visit.console)")
  }

  @Test("the page's own check finds what it is for: an empty chart, marks outside, a page too wide")
  func planted() throws {
    let broken = [
      (
        "<svg class=\"chart\" viewBox=\"0 0 360 226\" role=\"img\" aria-label=\"empty\"></svg>",
        "empty has no marks"
      ),
      (
        "<svg class=\"chart\" viewBox=\"0 0 360 226\" role=\"img\" aria-label=\"far\"><path "
          + "class=\"mark\" d=\"M500 0h9\"/></svg>", "far mark outside"
      ),
    ]
    for (svg, words) in broken {
      let page = Self.html.replacingOccurrences(of: "</main>", with: svg + "</main>")
      #expect(try visit(page, width: 375).root("data-charts")?.contains(words) == true)
    }
    let wide = Self.html.replacingOccurrences(
      of: "</main>", with: "<div style=\"width:900px\">x</div></main>")
    #expect(try visit(wide, width: 375).root("data-overflow") != "none")
    #expect(try !visit(Self.html, width: 375, script: "nothing()").console.isEmpty)
  }

  @Test("values are read by keyboard and by pointer, and put back afterwards")
  func reading() throws {
    let script = """
      addEventListener('load', () => {
        const figure = document.querySelector('#progress figure.plot');
        const box = figure.querySelector('.picture'), out = figure.querySelector('.reading');
        const press = key => box.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
        const said = [], legend = () => figure.querySelector('.legend').textContent;
        const before = legend();
        press('Home'); said.push(out.textContent);
        press('ArrowRight'); said.push(out.textContent);
        press('End'); said.push(out.textContent);
        press('Escape'); said.push(legend() === before ? 'back' : 'changed');
        const r = box.getBoundingClientRect();
        box.dispatchEvent(new PointerEvent('pointermove', {pointerType: 'mouse', bubbles: true,
          clientX: r.left + r.width / 2, clientY: r.top + r.height / 2}));
        said.push(out.textContent);
        const map = document.querySelector('#cosines .more figure.plot');
        map.querySelector('.picture').dispatchEvent(
          new KeyboardEvent('keydown', {key: 'Home', bubbles: true}));
        said.push(map.querySelector('.reading').textContent);
        document.documentElement.dataset.said = JSON.stringify(said);
      });
      """
    let visit = try visit(Self.html, width: 1440, script: script)
    let text = try #require(visit.root("data-said")).replacingOccurrences(of: "&quot;", with: "\"")
    let said = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String])
    #expect(said[0].hasPrefix("step 10: vq 0.3262"), "\(said)")
    #expect(said[1].hasPrefix("step 20: vq 0.2436"), "\(said)")
    #expect(said[2].hasPrefix("step 600: vq 0.04882"), "\(said)")
    #expect(said[3] == "back" && said[4].hasPrefix("step "), "\(said)")
    #expect(said[5] == "enc in, step 50: 0.9", "\(said)")
    #expect(visit.console.isEmpty, "\(visit.console)")
  }

  @Test("axes, smoothing, scale and zoom draw the curves anew, and go back to what they were")
  func views() throws {
    let script = """
      addEventListener('load', () => {
        const root = document.documentElement, said = {};
        const figure = document.querySelector('#progress figure.plot');
        const svg = figure.querySelector('.picture svg'), box = figure.querySelector('.picture');
        const press = key => box.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
        const path = () => [...svg.querySelectorAll('.mark.line')].map(p => p.getAttribute('d')).join();
        const title = () => [...svg.querySelectorAll('text.middle')].pop().textContent;
        const tell = detail => document.dispatchEvent(new CustomEvent('view', {detail}));
        for (const one of document.querySelectorAll('figure.plot')) one.chartReader?.().ready();
        const first = path();
        press('End'); press('Escape');
        for (const axis of ['images', 'epochs', 'hours']) {
          tell({axis});
          for (const one of document.querySelectorAll('figure.plot')) one.chartReader?.().ready();
          press('End');
          said[axis] = `${title()}: ${figure.querySelector('.reading').textContent}`;
        }
        tell({axis: 'step'}); press('End'); press('Escape');
        said.back = path() === first;
        tell({smooth: 0.9}); press('End');
        said.smooth = path() !== first && svg.querySelectorAll('.raw').length > 0;
        tell({smooth: 0}); press('End');
        press('l'); said.linear = path() !== first; press('l');
        press('+'); said.zoomed = path() !== first && !figure.querySelector('.reset').hidden;
        press('0'); said.reset = path() === first;
        root.dataset.said = JSON.stringify(said);
      });
      """
    let visit = try visit(Self.html, width: 1440, script: script)
    #expect(visit.console.isEmpty, "\(visit.console)")
    let text = try #require(visit.root("data-said")).replacingOccurrences(of: "&quot;", with: "\"")
    let said = try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    // 600 steps of 16 of 2,000 images in 60 seconds.
    #expect((said["images"] as? String)?.hasPrefix("images: images 9600: vq ") == true, "\(said)")
    #expect((said["epochs"] as? String)?.hasPrefix("epochs: epochs 4.8: vq ") == true, "\(said)")
    #expect((said["hours"] as? String)?.hasPrefix("hours: hours 0.01667: vq ") == true, "\(said)")
    for key in ["back", "smooth", "linear", "zoomed", "reset"] {
      #expect(said[key] as? Bool == true, "\(key): \(said)")
    }
    #expect(visit.root("data-charts")?.hasSuffix(" drawn") == true)
  }

  @Test("tables sort by their headings; images are enlarged; samples follow their slider")
  func controls() throws {
    let script = """
      addEventListener('load', () => {
        const said = {};
        const table = document.querySelector('#verdicts table.sortable');
        const names = () => [...table.tBodies[0].rows].map(r => r.cells[0].textContent).join();
        const heading = [...table.querySelectorAll('.sort')].find(b => b.textContent === 'codes used');
        heading.click(); said.down = names(); heading.click(); said.up = names();
        said.sorted = heading.parentElement.getAttribute('aria-sort');
        document.querySelector('.enlarge').click();
        const dialog = document.querySelector('dialog');
        said.open = dialog.open; said.title = dialog.querySelector('h3').textContent;
        dialog.querySelector('.other').click(); said.other = dialog.querySelector('h3').textContent;
        dialog.querySelector('.show-tokens').click();
        said.tokens = !dialog.querySelector('canvas').hidden;
        dialog.querySelector('.close').click(); said.closed = !dialog.open;
        const film = document.getElementById('film');
        film.value = 0; film.dispatchEvent(new Event('input'));
        said.film = document.querySelector('.film img:not([hidden])').dataset.step;
        document.documentElement.dataset.said = JSON.stringify(said);
      });
      """
    let visit = try visit(Self.html, width: 1440, script: script)
    #expect(visit.console.isEmpty, "\(visit.console)")
    let text = try #require(visit.root("data-said")).replacingOccurrences(of: "&quot;", with: "\"")
      .replacingOccurrences(of: "&lt;", with: "<").replacingOccurrences(of: "&gt;", with: ">")
    let said = try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(said["down"] as? String == "old,vq,fsq" && said["up"] as? String == "fsq,vq,old")
    #expect(said["sorted"] as? String == "ascending")
    #expect(said["title"] as? String == "vq, a<b>.png: 27.50 dB", "\(said)")
    #expect(said["other"] as? String == "fsq, a<b>.png: 27.50 dB", "\(said)")
    for key in ["open", "tokens", "closed"] {
      #expect(said[key] as? Bool == true, "\(key): \(said)")
    }
    #expect(said["film"] as? String == "100")
  }
}
