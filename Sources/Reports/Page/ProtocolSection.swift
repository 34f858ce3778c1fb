import Charts

/// How the numbers were made.
struct ProtocolSection {
  let comparison: Comparison

  var section: PageSection {
    let own = [
      (
        "curves",
        "from each run's log up to the step of its weights; of long series the lowest and highest "
          + "point of every stretch is drawn, so that no spike is lost. Smoothing is an exponential "
          + "moving average over the drawn points, without bias at its start."
      ),
      (
        "hours",
        "of training alone, evaluation and saving left out; where a log does not tell them, from its "
          + "images per second."
      ),
      (
        "collapse",
        "its step is the first from which on a diagnostic stays beyond its limit; single strays are "
          + "passed over by a median of three. The limits are fixed and the same for all runs."
      ),
      (
        "error by scale",
        "brightness of images and errors in octaves: what means of 2x2, 4x4, ... pixels take away; the "
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
