import Charts

/// How the numbers were made.
struct ProtocolSection {
  let comparison: Comparison

  var section: PageSection {
    let own = [
      (
        "curves",
        "from each run's log up to the step of its weights; in long series the lowest and highest "
          + "point of every interval are drawn, so that no spike is lost. Smoothing is an exponential "
          + "moving average over the drawn points, without bias at its start."
      ),
      (
        "hours",
        "of training alone, without evaluation and saving; if a log lacks it, from its "
          + "images per second."
      ),
      (
        "collapse",
        "its step is the first from which a diagnostic stays beyond its limit; a median of three "
          + "ignores single outliers. The limits are fixed and the same for all runs."
      ),
      (
        "error by scale",
        "brightness of images and errors in octaves: what means of 2x2, 4x4, ... pixels remove; the "
          + "error's energy over the image's, summed over the set."
      ),
    ]
    let statements = (comparison.evaluationProtocol?.statements ?? []) + own
    let items = statements.map { key, words in
      "<dt>\(Markup.escaped(key))</dt><dd>\(Markup.escaped(words))</dd>"
    }.joined()
    return PageSection(
      id: "protocol", title: "How this was measured", short: "How measured",
      content: "<dl>\(items)</dl>")
  }
}
