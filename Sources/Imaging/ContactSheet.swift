/// Many images in one: a grid with margins, to look at.
public struct ContactSheet: Sendable {
  /// Cells in a row.
  public let columns: Int
  /// Pixels around and between the cells.
  public let margin: Int
  /// Each pixel of an image becomes a square of this side, so that tiny images can be seen.
  public let scale: Int
  /// The colour of the margins.
  public let background: PixelColor

  /// A sheet's layout.
  ///
  /// `columns` is the most; fewer images make a narrower sheet.
  public init(
    columns: Int = 8, margin: Int = 4, scale: Int = 1, background: PixelColor = .white
  ) {
    precondition(columns > 0 && margin >= 0 && scale > 0, "a sheet has columns and a scale")
    self.columns = columns
    self.margin = margin
    self.scale = scale
    self.background = background
  }

  /// The scale at which images of the given side are about 128 pixels large.
  public static func comfortableScale(for side: Int) -> Int { max(1, 128 / max(1, side)) }

  /// The images in reading order, one at least.
  public func sheet(of images: [Image]) -> Image {
    sheet(
      rows: stride(from: 0, to: images.count, by: columns).map {
        Array(images[$0..<min($0 + columns, images.count)])
      })
  }

  /// Originals over reconstructions: a row of up to `columns` originals, under it theirs, and so on.
  public func pairs(originals: [Image], reconstructions: [Image]) -> Image {
    precondition(originals.count == reconstructions.count, "each original has its reconstruction")
    var rows: [[Image]] = []
    for start in stride(from: 0, to: originals.count, by: columns) {
      let range = start..<min(start + columns, originals.count)
      rows.append(Array(originals[range]))
      rows.append(Array(reconstructions[range]))
    }
    return sheet(rows: rows)
  }

  /// Originals over reconstructions in the default layout.
  public static func pairs(originals: [Image], reconstructions: [Image], columns: Int) -> Image {
    let side = originals.map { max($0.width, $0.height) }.max() ?? 1
    return ContactSheet(columns: columns, scale: comfortableScale(for: side))
      .pairs(originals: originals, reconstructions: reconstructions)
  }

  /// Given rows, each as high as its highest image; columns are as wide as the widest of all.
  ///
  /// Images lie at the top left of their cells. Width of the result: `margin + n (cell + margin)`.
  public func sheet(rows: [[Image]]) -> Image {
    let cell = (rows.joined().map(\.width).max() ?? 0) * scale
    precondition(cell > 0, "a sheet holds an image")
    let heights = rows.map { ($0.map(\.height).max() ?? 0) * scale }
    let width = margin + (rows.map(\.count).max() ?? 0) * (cell + margin)
    let height = margin + heights.reduce(0) { $0 + $1 + margin }
    var sheet = Image(width: width, height: height, filledWith: background)
    var top = margin
    for (row, rowHeight) in zip(rows, heights) {
      for (column, image) in row.enumerated() {
        paste(image, into: &sheet, left: margin + column * (cell + margin), top: top)
      }
      top += rowHeight + margin
    }
    return sheet
  }

  private func paste(_ image: Image, into sheet: inout Image, left: Int, top: Int) {
    for y in 0..<image.height * scale {
      let source = y / scale * image.width
      var target = ((top + y) * sheet.width + left) * 3
      for x in 0..<image.width * scale {
        let pixel = (source + x / scale) * 3
        for channel in 0..<3 { sheet.pixels[target + channel] = image.pixels[pixel + channel] }
        target += 3
      }
    }
  }
}
