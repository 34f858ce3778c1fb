import Charts

/// Reconstructions of some images over training, with a slider over the steps.
struct SampleSection {
  let runs: [PageRun]

  /// The section; nil where no run has samples.
  var section: PageSection? {
    let told = runs.filter { !$0.details.samples.isEmpty }
    guard let last = told.compactMap({ $0.details.samples.last?.step }).max() else { return nil }
    let steps = Set(told.flatMap { $0.details.samples.map(\.step) }).sorted()
    let list = steps.map(String.init).joined(separator: " ")
    let strips = told.map { run -> String in
      let samples = run.details.samples
      let images = samples.enumerated().map { index, sample in
        "<img data-step=\"\(sample.step)\"\(index == samples.count - 1 ? "" : " hidden") alt=\""
          + Markup.escaped("\(run.name) at step \(NumberText.count(sample.step))")
          + "\" src=\"\(PictureSection.data(sample.png))\">"
      }.joined()
      return "<div class=\"film r\(run.index)\"><h3 class=\"name\">\(Markup.escaped(run.name)) "
        + "<small>step <output>\(NumberText.count(samples[samples.count - 1].step))</output></small>"
        + "</h3>\(images)</div>"
    }
    let silent = runs.filter { $0.details.samples.isEmpty }
    return PageSection(
      id: "samples", title: "Samples over training", short: "Samples",
      introduction: silent.isEmpty ? "" : "\(silent.names) kept no samples.",
      content: "<label class=\"slider scripted\">step <input type=\"range\" id=\"film\" min=\"0\" "
        + "max=\"\(steps.count - 1)\" value=\"\(steps.count - 1)\" data-steps=\"\(list)\" "
        + "autocomplete=\"off\"> <output id=\"film-step\">\(NumberText.count(last))</output></label>"
        + "<div class=\"films\">\(strips.joined(separator: "\n"))</div>")
  }
}
