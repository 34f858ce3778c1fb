import Charts

/// The runs' colours, a box each to leave one out, and the view of the charts.
struct PageControls {
  let runs: [PageRun]

  var html: String {
    guard !runs.isEmpty else { return "" }
    return "<section class=\"view\" aria-label=\"Runs and view\">\(chips)"
      + "<details class=\"settings scripted\"><summary>View</summary>\(axes)\(smoothing)\(seeds)"
      + "</details></section>"
  }

  private var chips: String {
    guard runs.count > 1 else { return "" }
    let boxes = runs.map { run in
      "<label class=\"chip r\(run.index)\"><input type=\"checkbox\" autocomplete=\"off\" "
        + "id=\"run-\(run.index)\" checked>"
        + "<svg viewBox=\"0 0 26 10\" aria-hidden=\"true\"><path class=\"line\" d=\"M1 5H25\"/></svg>"
        + "\(Markup.escaped(run.name))</label>"
    }.joined()
    return "<fieldset class=\"runs\"><legend>Runs shown</legend>\(boxes)</fieldset>"
  }

  /// What the curves are drawn over; what no run's log has cannot be chosen.
  private var axes: String {
    let choices: [(key: String, isKnown: Bool)] = [
      ("step", true), ("images", runs.contains { $0.facts.clock.images.count > 1 }),
      ("epochs", runs.contains { $0.facts.clock.epochs.count > 1 }),
      ("hours", runs.contains { $0.facts.clock.hours.count > 1 }),
    ]
    let boxes = choices.map { key, isKnown in
      "<label><input type=\"radio\" name=\"axis\" value=\"\(key)\" autocomplete=\"off\""
        + (key == "step" ? " checked" : "") + (isKnown ? "" : " disabled") + "> \(key)</label>"
    }.joined()
    return "<fieldset class=\"axis\"><legend>Horizontal axis</legend>\(boxes)</fieldset>"
  }

  private var smoothing: String {
    "<label class=\"smooth\">Smoothing <input type=\"range\" id=\"smooth\" min=\"0\" max=\"0.98\" "
      + "step=\"0.02\" value=\"0\" autocomplete=\"off\"> <output>0</output></label>"
  }

  private var seeds: String {
    runs.seedGroups.isEmpty
      ? ""
      : "<label><input type=\"checkbox\" id=\"grouped\" autocomplete=\"off\"> mean and range of runs that "
        + "differ in their seed alone</label>"
  }
}
