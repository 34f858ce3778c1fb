/// The rules that charts are drawn by: colours for a light and a dark ground, lines, text, figures.
public enum ChartStyle {
  /// The rules for a page of so many subjects.
  public static func css(subjects: Int) -> String {
    """
    :root{color-scheme:light dark;\(variables(light: true))}
    @media (prefers-color-scheme:dark){:root{\(variables(light: false))}}
    @media print{:root{color-scheme:light;\(variables(light: true))--ground:#fff}}
    \(SeriesStyle.rules(count: max(1, subjects)))
    \(ColourRamp.rules)
    \(page)
    \(marks)
    """
  }

  /// The rules for a picture of so many subjects in a file of its own.
  static func picture(subjects: Int) -> String {
    """
    :root{\(variables(light: true))}
    @media (prefers-color-scheme:dark){:root{\(variables(light: false))}}
    \(SeriesStyle.rules(count: max(1, subjects)))
    \(marks)
    svg.chart .sheet{fill:var(--ground)}
    svg.chart .title{fill:var(--ink);font-size:13px;font-weight:600}
    """
  }

  private static func variables(light: Bool) -> String {
    let ground =
      light
      ? "--ground:#fcfcfa;--ink:#1c2024;--quiet:#595f69;--rule:#d9dad5;--faint:#ebebe6;"
      : "--ground:#16181b;--ink:#e8e9ea;--quiet:#a2a8b0;--rule:#3d4249;--faint:#272b30;"
    return ground + SeriesStyle.variables(light ? SeriesStyle.light : SeriesStyle.dark)
      + ColourRamp.variables(light ? ColourRamp.light : ColourRamp.dark)
  }

  /// Figures on a page: what stands around the pictures.
  private static let page = """
    figure{margin:0;min-width:0;max-width:36rem;break-inside:avoid}
    figcaption{grid-row:1}
    figure>.legend{grid-row:2}
    figure>.picture{grid-row:3}
    figure>.reading{grid-row:4}
    figure>details{grid-row:5}
    figcaption h3{margin:0;font-size:1rem;font-weight:600}
    .about h3{color:var(--c)}
    figcaption p{margin:.15rem 0 0;color:var(--quiet);font-size:.875rem;line-height:1.4}
    .picture{margin-top:.35rem;touch-action:pan-y;border-radius:3px}
    .picture:focus-visible{outline:2px solid var(--colour-0);outline-offset:3px}
    .legend{list-style:none;margin:.4rem 0 0;padding:0;display:flex;flex-wrap:wrap;\
    gap:.1rem 1rem;font-size:.875rem}
    .legend li{white-space:nowrap;max-width:100%;overflow:hidden;text-overflow:ellipsis}
    .legend svg{width:26px;height:10px;margin-right:.4em;vertical-align:.02em}
    .legend b{font-weight:600;font-variant-numeric:tabular-nums}
    .reading{margin:0;min-height:1.3em;font-size:.8125rem;color:var(--quiet);\
    font-variant-numeric:tabular-nums}
    .spoken{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);\
    white-space:nowrap}
    details{font-size:.8125rem}
    summary{color:var(--quiet);cursor:pointer;width:max-content;padding:.2rem 0}
    .scroll{overflow-x:auto;max-width:100%}
    details table{border-collapse:collapse;font-variant-numeric:tabular-nums}
    details th,details td{padding:.15rem .8rem .15rem 0;text-align:right;white-space:nowrap;\
    font-weight:400;border-bottom:1px solid var(--faint)}
    details thead th{color:var(--quiet)}
    details th:first-child{text-align:left}
    @media print{.reading,details{display:none}}
    """

  /// The pictures themselves.
  private static let marks = """
    svg.chart{display:block;width:100%;height:auto;overflow:visible;\
    font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;font-variant-numeric:tabular-nums}
    svg.chart text{fill:var(--quiet)}
    .labels{fill:var(--quiet)}
    .middle{text-anchor:middle}
    .end{text-anchor:end}
    .grid,.base,.lattice,.reference,.line{fill:none}
    .grid{stroke:var(--faint)}
    .base{stroke:var(--rule)}
    .lattice{stroke:var(--rule);stroke-width:.7}
    .reference{stroke:var(--quiet);stroke-dasharray:1 3;stroke-linecap:round;stroke-width:1.4}
    .line{stroke:var(--c);stroke-width:1.7;stroke-dasharray:var(--dash);stroke-linejoin:round}
    .v0 .line{stroke-width:2.6}
    .dot{fill:var(--c)}
    .band{fill:var(--c)}
    .bar{fill:var(--c)}
    .under{fill-opacity:.45}
    svg.chart text.direct{fill:var(--c);font-weight:600;paint-order:stroke;\
    stroke:var(--ground);stroke-width:3px;stroke-linejoin:round}
    .event path{stroke:var(--c);stroke-width:1;stroke-dasharray:1 3;fill:none}
    .event .flag{fill:var(--c);stroke:none}
    .simpson path{fill:var(--ink)}
    .cloud{stroke:var(--quiet);stroke-width:2;stroke-linecap:round;opacity:.5}
    .alone{stroke:var(--c);opacity:.65}
    .disc{fill:var(--c);fill-opacity:.5;stroke:var(--ground);stroke-width:.5}
    .hollow{fill:none;stroke:var(--c);stroke-width:.9;stroke-opacity:.55}
    .cross{stroke:var(--ink);stroke-width:.8;pointer-events:none}
    """
}
