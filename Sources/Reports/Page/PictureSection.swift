import Charts
import Formatting
import Foundation

/// Originals, reconstructions and what lies between, as PNG files within the page.
struct PictureSection {
  let comparison: Comparison
  let runs: [PageRun]
  let pictures: ComparisonPictures?

  var section: PageSection {
    guard let pictures, !pictures.originals.isEmpty else {
      return PageSection(
        id: "images", title: "Images", short: "Images",
        content: PageSection.absence("No images were kept.") + PageSection.grid(figures))
    }
    let judged = pictures.judge.map {
      " The hardest and the easiest are those that \($0) did worst and best on."
    }
    let strips = pictures.originals.indices.map { strip($0, pictures) }
    return PageSection(
      id: "images", title: "Images", short: "Images",
      introduction:
        "Under each reconstruction its PSNR in dB and the difference in brightness, in the "
        + "colours of the scale." + (judged ?? "") + " Pixels are enlarged without smoothing.",
      content: scale(pictures) + "<div class=\"strips\">\(strips.joined(separator: "\n"))</div>"
        + PageSection.grid(figures) + dialog)
  }

  /// An original, and what each run made of it.
  private func strip(_ index: Int, _ pictures: ComparisonPictures) -> String {
    let original = pictures.originals[index]
    let name = PrivatePath.shown(original.name)
    let title =
      "\(Markup.escaped(name))"
      + (original.note.isEmpty ? "" : " <b>\(Markup.escaped(original.note))</b>")
    var cells =
      "<li class=\"original\"><span>original</span><img alt=\"original \(Markup.escaped(name))\" "
      + "src=\"\(Self.data(original.png))\"></li>"
    for (entry, row) in pictures.rows.enumerated() {
      guard let row, index < row.count, let run = runs.first(where: { $0.index == entry }) else {
        continue
      }
      cells += cell(row[index], of: name, run)
    }
    return "<article class=\"strip\" aria-label=\"\(Markup.escaped(name))\"><h3>\(title)</h3>"
      + "<ul>\(cells)</ul></article>"
  }

  private func cell(
    _ made: ComparisonPictures.Reconstruction, of name: String, _ run: PageRun
  ) -> String {
    let psnr = NumberText.decimals(made.psnr, 2)
    let label = Markup.escaped(run.name)
    let tokens =
      made.tokens.map { map in
        " data-tokens=\"\(map.ids.map(String.init).joined(separator: " "))\" "
          + "data-columns=\"\(map.width)\" data-depth=\"\(map.depth)\""
      } ?? ""
    return "<li class=\"r\(run.index)\"><span class=\"name\">\(label)</span>"
      + "<button type=\"button\" class=\"enlarge\" data-run=\"\(label)\"\(tokens) "
      + "aria-label=\"Enlarge \(label) of \(Markup.escaped(name)), \(psnr) dB\">"
      + "<img alt=\"\" src=\"\(Self.data(made.png))\"></button><b>\(psnr)</b>"
      + "<img class=\"difference\" alt=\"difference of \(label) to \(Markup.escaped(name))\" "
      + "src=\"\(Self.data(made.difference))\"></li>"
  }

  private func scale(_ pictures: ComparisonPictures) -> String {
    "<div class=\"ramp\"><span>difference in brightness, of 255:</span><span>0</span>"
      + "<i style=\"background:\(ErrorRamp.gradient)\"></i>"
      + "<span>\(pictures.largestDifference)\(pictures.largestDifference < 255 ? " and more" : "")"
      + "</span><label class=\"scripted\"><input type=\"checkbox\" id=\"differences\" checked "
      + "autocomplete=\"off\"> show differences</label></div>"
  }

  /// An enlarged reconstruction beside its original.
  private var dialog: String {
    """
    <dialog id="enlarged" aria-labelledby="enlarged-title"><h3 id="enlarged-title">Enlarged</h3>
    <div class="stage"><img class="under" alt=""><img class="over" alt=""><canvas class="tokens" \
    hidden></canvas></div><p class="reading" aria-live="polite"></p>
    <label>original <input type="range" id="curtain" min="0" max="100" value="50"> reconstruction</label>
    <p class="actions"><button type="button" class="previous">Previous image</button>
    <button type="button" class="next-image">Next image</button>
    <button type="button" class="other">Next run</button>
    <button type="button" class="show-difference" aria-pressed="false">Difference</button>
    <button type="button" class="show-tokens" aria-pressed="false">Tokens</button>
    <button type="button" class="close">Close</button></p></dialog>
    """
  }

  /// Quality over the whole set: image by image, and scale by scale.
  private var figures: [String] {
    let measured = runs.filter { !$0.details.imagePSNR.isEmpty }
    guard !measured.isEmpty else { return [] }
    return [
      RunFigure(
        title: "PSNR of each image, dB",
        note: "Images of each run from the hardest to the easiest.", decimals: 2,
        axis: ("images, percent", .linear), source: "evaluation"
      ).html(measured) { run in
        let sorted = run.details.imagePSNR.filter(\.isFinite).sorted()
        return .init(
          run.name, label: run.label, run.style,
          sorted.enumerated().map {
            Point(100 * Double($0) / Double(max(1, sorted.count - 1)), $1)
          })
      },
      RunFigure(
        title: "Error by scale",
        note:
          "Share of the brightness's detail that is wrong, by the size of the details; 1: all lost.",
        including: [0, 1], decimals: 3, axis: ("details from so many pixels on", .logarithmic),
        source: "evaluation"
      ).html(measured) { run in
        .init(
          run.name, label: run.label, run.style,
          run.details.octaves.map { Point(Double($0.pixels), $0.share) })
      },
    ]
  }

  static func data(_ png: [UInt8]) -> String {
    "data:image/png;base64,\(Data(png).base64EncodedString())"
  }
}

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
          + Markup.escaped("\(run.name) at step \(Display.count(sample.step))")
          + "\" src=\"\(PictureSection.data(sample.png))\">"
      }.joined()
      return "<div class=\"film r\(run.index)\"><h3 class=\"name\">\(Markup.escaped(run.name)) "
        + "<small>step <output>\(Display.count(samples[samples.count - 1].step))</output></small>"
        + "</h3>\(images)</div>"
    }
    let silent = runs.filter { $0.details.samples.isEmpty }
    return PageSection(
      id: "samples", title: "Samples over training", short: "Samples",
      introduction: silent.isEmpty ? "" : "\(silent.names) kept no samples.",
      content: "<label class=\"slider scripted\">step <input type=\"range\" id=\"film\" min=\"0\" "
        + "max=\"\(steps.count - 1)\" value=\"\(steps.count - 1)\" data-steps=\"\(list)\" "
        + "autocomplete=\"off\"> <output id=\"film-step\">\(Display.count(last))</output></label>"
        + "<div class=\"films\">\(strips.joined(separator: "\n"))</div>")
  }
}
