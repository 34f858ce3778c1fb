import Imaging
import Reports

/// Originals, reconstructions and differences for a report's page.
struct ComparisonGallery {
  /// Bytes that the page's images should not exceed by much: beyond, fewer are shown.
  static var budget: Int { 4 << 20 }

  private var originals: [Int: [Image]] = [:]
  private var rows: [Int: (images: [Image], size: Int)] = [:]

  /// Adds what the run at a place among the entries made of images of its size.
  mutating func add(
    entry: Int, originals images: [Image], reconstructions: [Image], size: Int
  ) {
    originals[size] = Array(images.prefix(reconstructions.count))
    rows[entry] = (reconstructions, size)
  }

  /// The images as PNG files; nil without a run.
  func pictures(entries: Int) throws(ImageError) -> ComparisonPictures? {
    guard let largest = originals.keys.max(), let shown = originals[largest] else { return nil }
    // Photographs take some two bytes a pixel as PNG, a third more in base64.
    let bytes = largest * largest * 8 / 3 * (1 + 2 * rows.count)
    let count = min(shown.count, max(2, Self.budget / max(1, bytes)))
    let amplification = amplification(count)
    var made: [ComparisonPictures.Row?] = []
    for entry in 0..<entries {
      guard let row = rows[entry], let targets = originals[row.size] else {
        made.append(nil)
        continue
      }
      var (reconstructions, differences): ([[UInt8]], [[UInt8]]) = ([], [])
      for (image, target) in zip(row.images.prefix(count), targets) {
        reconstructions.append(try Self.png(image))
        differences.append(try Self.png(target.difference(to: image, times: amplification)))
      }
      made.append(.init(reconstructions: reconstructions, differences: differences))
    }
    var files: [[UInt8]] = []
    for image in shown.prefix(count) { files.append(try Self.png(image)) }
    return ComparisonPictures(originals: files, amplification: amplification, rows: made)
  }

  /// The largest of 1, 2, 4, 8, 16 at which no more than 1 % of the differences leave the scale.
  private func amplification(_ count: Int) -> Int {
    var counts = [Int](repeating: 0, count: 256)
    for row in rows.values {
      for (image, target) in zip(row.images.prefix(count), originals[row.size] ?? []) {
        for (a, b) in zip(image.pixels, target.pixels) { counts[Int(a > b ? a - b : b - a)] += 1 }
      }
    }
    let total = counts.reduce(0, +)
    return [16, 8, 4, 2].first { factor in
      let beyond = counts[min(255, 255 / factor + 1)...].reduce(0, +)
      return beyond * 100 <= total
    } ?? 1
  }

  private static func png(_ image: Image) throws(ImageError) -> [UInt8] {
    try ImageEncoder(compressionLevel: 9).encode(image, as: .png)
  }
}

extension Image {
  /// `|self - other|` of every channel, amplified, at most 255.
  fileprivate func difference(to other: Image, times factor: Int) -> Image {
    Image(
      width: width, height: height,
      pixels: zip(pixels, other.pixels).map { a, b in
        UInt8(min(255, Int(a > b ? a - b : b - a) * factor))
      })
  }
}
