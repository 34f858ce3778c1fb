import Charts

/// The page's rules beyond those of its charts.
enum PageStyle {
  /// All rules for a page of so many runs.
  static func css(runs: Int) -> String {
    let hiding = (0..<runs).map { index in
      "body:has(#run-\(index):not(:checked)) .r\(index):not(.chip){display:none}"
    }.joined(separator: "\n")
    return ChartStyle.css(subjects: runs) + rules + hiding
  }

  private static let rules = """

    *{box-sizing:border-box}
    html{-webkit-text-size-adjust:100%;scroll-padding-top:4.5rem}
    body{margin:0;background:var(--ground);color:var(--ink);\
    font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;\
    overflow-wrap:anywhere}
    .page{max-width:84rem;margin:0 auto;padding:0 1rem 4rem}
    header h1{margin:2.2rem 0 .3rem;font-size:1.75rem;font-weight:650;line-height:1.2;\
    letter-spacing:-.01em}
    header p{margin:0;max-width:52rem;color:var(--quiet)}
    header .headline{color:var(--ink);font-size:1.125rem;margin:.2rem 0 .3rem}
    nav ul{list-style:none;padding:0;margin:1rem 0 0;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;\
    font-size:.9375rem}
    a{color:inherit;text-decoration-color:var(--rule);text-underline-offset:.2em}
    a:hover{text-decoration-color:currentColor}
    .runs{position:sticky;top:0;z-index:2;margin:1.2rem -1rem 0;padding:.55rem 1rem;border:0;min-width:0;\
    background:var(--ground);border-bottom:1px solid var(--rule);display:flex;flex-wrap:nowrap;\
    gap:.2rem 1.2rem;font-size:.9375rem;overflow-x:auto}
    .runs legend{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
    .chip{white-space:nowrap;cursor:pointer}
    .chip input{accent-color:var(--c);margin:0 .35em 0 0;vertical-align:-.08em}
    .chip svg,.name svg{width:26px;height:10px;margin-right:.35em}
    .chip:has(input:not(:checked)){color:var(--quiet)}
    section{margin-top:3.2rem}
    h2{margin:0 0 .4rem;font-size:1.3125rem;font-weight:650;line-height:1.25}
    .introduction{margin:0 0 1rem;max-width:46rem;color:var(--quiet)}
    .absence,.absent p{color:var(--quiet)}
    .absence{margin:0}
    .figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));\
    gap:0 2.6rem;margin-top:1.2rem}
    .figures>*{grid-row:span 5;margin-bottom:2.2rem}
    .figures>figure{display:grid;grid-template-rows:subgrid;grid-template-columns:minmax(0,1fr)}
    .cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,24rem),1fr));\
    gap:1.6rem 2.6rem;margin-top:1rem}
    .verdict{border-left:4px solid var(--c);padding:.05rem 0 .05rem .9rem;break-inside:avoid}
    .verdict h3{margin:0;font-size:.9375rem;font-weight:600;color:var(--c)}
    .verdict .word{margin:0;font-size:1.375rem;font-weight:650;line-height:1.3}
    .verdict .word::first-letter{text-transform:uppercase}
    .verdict ul{margin:.3rem 0 0;padding-left:1.1rem}
    .story{margin:.5rem 0 0;color:var(--quiet)}
    .words{max-width:46rem}
    ul.words{padding-left:1.1rem;margin:.2rem 0 0}
    .words h3{margin:0;font-size:1rem;font-weight:600}
    .words ul{margin:.3rem 0 0;padding-left:1.1rem}
    .warnings{color:var(--quiet);font-size:.9375rem}
    .name{color:var(--c)}
    table.key{width:100%;border-collapse:collapse;margin-top:2rem;font-size:.9375rem;\
    font-variant-numeric:tabular-nums}
    table.key caption{text-align:left;color:var(--quiet);padding-bottom:.3rem}
    table.key th,table.key td{padding:.4rem 0 .4rem 1rem;text-align:right;vertical-align:baseline;\
    border-bottom:1px solid var(--faint)}
    table.key th:first-child{padding-left:0}
    table.key :is(th,td):nth-child(-n+3){text-align:left}
    table.key thead th{font-weight:400;color:var(--quiet);border-bottom-color:var(--rule)}
    table.key tbody th{font-weight:600;min-width:6rem}
    table.key td,table.key thead th{overflow-wrap:break-word}
    .pictures{margin-top:1.1rem;break-inside:avoid}
    .pictures.minor{margin-top:.35rem}
    .pictures h3{margin:0 0 .25rem;font-size:.9375rem;font-weight:600;color:var(--c,inherit)}
    .minor h3{font-weight:400;font-size:.8125rem}
    .row{display:grid;grid-template-columns:repeat(8,1fr);gap:4px}
    .row img{width:100%;height:auto;display:block;image-rendering:pixelated}
    dl{display:grid;grid-template-columns:max-content minmax(0,46rem);gap:.5rem 1.2rem;margin:.6rem 0 0}
    dt{font-weight:600}
    dd{margin:0}
    @media screen and (max-width:68rem){
    table.key,table.key :is(tbody,caption){display:block}
    table.key thead{display:none}
    table.key tr{display:grid;grid-template-columns:1fr 1fr;gap:0 1.2rem;padding:.8rem 0;\
    border-bottom:1px solid var(--rule)}
    table.key tr th{grid-column:1/-1}
    table.key :is(th,td),table.key :is(th,td):nth-child(-n+3){display:block;text-align:left;\
    padding:.15rem 0;border:0}
    table.key td::before{content:attr(data-title);display:block;color:var(--quiet);font-size:.8125rem}
    }
    @media (max-width:40rem){
    .row{grid-template-columns:repeat(4,1fr)}
    dl{grid-template-columns:minmax(0,1fr);gap:0}
    dd{margin-bottom:.7rem}
    }
    @media (min-width:60rem){.page{padding:0 2.5rem 5rem}.runs{margin-inline:-2.5rem;padding-inline:2.5rem}}
    @media print{
    @page{margin:14mm}
    body{font-size:11pt}
    nav,.runs{display:none}
    .page{padding:0;max-width:none}
    section{margin-top:1.6rem}
    h2,h3,.introduction{break-after:avoid}
    table.key{font-size:8pt}
    table.key :is(th,td){padding-left:.4rem}
    .introduction,ul.words li{break-inside:avoid}
    .figures{display:block}
    .figures>*,.figures>figure{display:inline-block;vertical-align:top;width:calc(50% - 1.4rem);\
    margin:0 .9rem 1.2rem 0;break-inside:avoid}
    .cards{grid-template-columns:1fr 1fr}
    }

    """
}
