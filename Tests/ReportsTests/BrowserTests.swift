import Foundation
import Reports
import Testing

/// The page in a real browser; skipped, saying so, where there is none.
@Suite(
  "Report pages in a browser", .serialized,
  .enabled(if: HeadlessBrowser.path != nil, "no chromium or google-chrome in PATH"))
struct BrowserTests {
  private static let html = SyntheticComparison.page().html

  private func visit(_ html: String, width: Int) throws -> HeadlessBrowser.Visit {
    try #require(try HeadlessBrowser.visit(html, width: width), "the browser did not answer")
  }

  @Test(
    "every chart is drawn within its picture; nothing in the console; no sideways scrolling",
    arguments: [375, 800, 1440])
  func drawn(width: Int) throws {
    let visit = try visit(Self.html, width: width)
    let charts = Self.html.components(separatedBy: "<svg class=\"chart\"").count - 1
    #expect(charts > 35)
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
    let faulty = Self.html.replacingOccurrences(
      of: "</body>", with: "<script>nothing()</script></body>")
    #expect(try !visit(faulty, width: 375).console.isEmpty)
  }

  @Test("values are read by keyboard and by pointer, and put back afterwards")
  func reading() throws {
    let script = """
      <script>addEventListener('load', () => {
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
        const map = document.querySelector('#cosines figure.plot');
        map.querySelector('.picture').dispatchEvent(
          new KeyboardEvent('keydown', {key: 'Home', bubbles: true}));
        said.push(map.querySelector('.reading').textContent);
        document.documentElement.dataset.said = JSON.stringify(said);
      });</script></body>
      """
    let page = Self.html.replacingOccurrences(of: "</body>", with: script)
    let visit = try visit(page, width: 1440)
    let text = try #require(visit.root("data-said")).replacingOccurrences(of: "&quot;", with: "\"")
    let said = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String])
    #expect(said[0].hasPrefix("step 10: vq 0.3262"), "\(said)")
    #expect(said[1].hasPrefix("step 20: vq 0.2436"), "\(said)")
    #expect(said[2].hasPrefix("step 600: vq 0.04882"), "\(said)")
    #expect(said[3] == "back" && said[4].hasPrefix("step "), "\(said)")
    #expect(said[5] == "enc in, step 50: 0.9", "\(said)")
    #expect(visit.console.isEmpty, "\(visit.console)")
  }
}
