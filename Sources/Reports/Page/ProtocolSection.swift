import Charts

/// How the numbers were made.
struct ProtocolSection {
  let comparison: Comparison

  var html: String {
    let own = [
      (
        "curves",
        "from each run's journal up to the step of its weights; of long series the lowest and highest "
          + "point of every stretch is drawn, so that no spike is lost."
      ),
      (
        "onsets",
        "the first step from which on a diagnostic stays beyond its limit to the end; single strays are "
          + "passed over by a median of three. The limits are fixed and the same for all runs."
      ),
    ]
    let statements = (comparison.evaluationProtocol?.statements ?? []) + own
    let items = statements.map { key, words in
      "<dt>\(Markup.escaped(key))</dt><dd>\(Markup.escaped(words))</dd>"
    }.joined()
    return PageSection(
      id: "protocol", title: "How the numbers were made", introduction: "",
      content: "<dl>\(items)</dl>"
    ).html
  }
}
