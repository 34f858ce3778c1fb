import Imaging

extension Image {
  /// Reads a PNG or JPEG file.
  ///
  /// The first bytes decide the format, not the name. Pixels are turned upright as an orientation
  /// tag says; more than 89,478,485 of them are refused by the header, before any are decoded.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - background: what transparent pixels are composited over.
  /// - Throws: ``TesseraError``: `notFound`, or `badFile` where it is damaged or no image.
  /// - Complexity: linear in the bytes of the file and the pixels.
  public init(
    contentsOf path: String, background: PixelColor = .white
  ) throws(TesseraError) {
    self = try translatingErrors { try ImageDecoder(background: background).read(path) }
  }

  /// Writes a PNG file, or a JPEG file where the name ends in `.jpg` or `.jpeg`, whole or not at
  /// all.
  ///
  /// - Parameters:
  ///   - path: the file; one that is there is replaced.
  ///   - quality: of JPEG, 1 to 100.
  /// - Throws: ``TesseraError``: `argument` for another ending or quality, `output` where the file
  ///   cannot be written.
  /// - Complexity: linear in the pixels.
  public func write(to path: String, quality: Int = 95) throws(TesseraError) {
    let formats = ["png": ImageFormat.png, "jpg": .jpeg, "jpeg": .jpeg]
    let ending = path.split(separator: ".").last.map { $0.lowercased() } ?? ""
    guard let format = formats[ending], path.contains(".") else {
      throw TesseraError(
        .argument, "\(path): expected a name that ends in .png, .jpg or .jpeg")
    }
    guard (1...100).contains(quality) else {
      throw TesseraError(.argument, "quality: expected 1 to 100, found \(quality)")
    }
    try translatingErrors { try ImageEncoder().write(self, to: path, as: format, quality: quality) }
  }

  /// An image over raw bytes.
  ///
  /// - Parameters:
  ///   - rgb: `width * height * 3` bytes: red, green and blue of each pixel, row by row from the
  ///     top left.
  ///   - width: pixels in a row, at least 1.
  ///   - height: rows, at least 1.
  /// - Throws: ``TesseraError`` `argument` where the counts do not agree.
  public init(rgb: [UInt8], width: Int, height: Int) throws(TesseraError) {
    try checkCount(rgb.count, "bytes", width: width, height: height)
    self.init(width: width, height: height, pixels: rgb)
  }
}

/// Refuses a list that is not three numbers for each pixel.
func checkCount(
  _ count: Int, _ noun: String, width: Int, height: Int
) throws(TesseraError) {
  guard width > 0, height > 0 else {
    throw TesseraError(
      .argument, "expected an image of at least one pixel, found \(width)x\(height)")
  }
  let (pixels, isTooLarge) = width.multipliedReportingOverflow(by: height)
  guard !isTooLarge, count.isMultiple(of: 3), count / 3 == pixels else {
    throw TesseraError(
      .argument,
      "expected three \(noun) for each of \(width)x\(height) pixels, red, green and blue together"
        + (isTooLarge || pixels > Int.max / 3 ? "" : ": \(pixels * 3)") + "; found \(count)")
  }
}
