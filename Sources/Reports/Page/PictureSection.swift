import Charts
import Foundation

/// Originals, reconstructions and what lies between, as PNG files within the page.
struct PictureSection {
  let comparison: Comparison
  let pictures: ComparisonPictures?

  var html: String {
    guard let pictures, !pictures.originals.isEmpty else {
      return PageSection(
        id: "images", title: "Images", introduction: "",
        content: PageSection.absence("No images were kept.")
      ).html
    }
    var rows = [row("Original", nil, pictures.originals, "original")]
    for (index, pair) in zip(comparison.names, pictures.rows).enumerated() {
      guard let made = pair.1 else { continue }
      rows.append(row(pair.0, index, made.reconstructions, "reconstruction by \(pair.0) of"))
      rows.append(
        row(
          "\(pair.0), difference", index, made.differences, "difference to \(pair.0) of",
          small: true))
    }
    return PageSection(
      id: "images", title: "Images",
      introduction: "Differences are |original - reconstruction|, amplified "
        + (pictures.amplification == 1 ? "not at all" : "\(pictures.amplification) times")
        + ", alike for all runs. Pixels are enlarged as they are.",
      content: rows.joined(separator: "\n")
    ).html
  }

  private func row(
    _ title: String, _ run: Int?, _ files: [[UInt8]], _ words: String, small: Bool = false
  ) -> String {
    let images = files.enumerated().map { index, file in
      "<img alt=\"\(Markup.escaped("\(words) image \(index + 1)"))\" "
        + "src=\"data:image/png;base64,\(Data(file).base64EncodedString())\">"
    }.joined()
    let style = run.map { " r\($0)" } ?? ""
    return "<div class=\"pictures\(style)\(small ? " minor" : "")\"><h3 class=\"name\">"
      + "\(Markup.escaped(title))</h3><div class=\"row\">\(images)</div></div>"
  }
}
