import Imaging

/// Originals in a row, and under them a row of each run's reconstructions.
struct ComparisonSheet {
  /// Images in a row.
  static var columns: Int { 8 }

  private var originals: (images: [Image], size: Int)?
  private var rows: [(images: [Image], size: Int)] = []

  /// Adds a run; the originals are shown at the largest size any run saw.
  mutating func add(originals images: [Image], reconstructions: [Image], size: Int) {
    if size > originals?.size ?? 0 {
      originals = (Array(images.prefix(reconstructions.count)), size)
    }
    rows.append((reconstructions, size))
  }

  /// The sheet; nil without a run.
  var image: Image? {
    guard let originals else { return nil }
    let rows = ([originals] + rows).map { row in
      row.images.map { $0.enlarged(originals.size / row.size) }
    }
    return ContactSheet(
      columns: Self.columns, scale: ContactSheet.comfortableScale(for: originals.size)
    ).sheet(rows: rows)
  }
}

extension Image {
  /// Each pixel as a square of the given side, so that sizes can be looked at side by side.
  fileprivate func enlarged(_ factor: Int) -> Image {
    guard factor > 1 else { return self }
    var large = Image(width: width * factor, height: height * factor)
    for y in 0..<large.height {
      for x in 0..<large.width { large[x, y] = self[x / factor, y / factor] }
    }
    return large
  }
}
