import Evaluation
import Foundation
import Imaging
import Reports
import Training

/// Originals, reconstructions and differences for a report's page.
///
/// The images are the first of the set, and of the rest those that the first run did worst and best
/// on; every further run shows the same.
struct ComparisonGallery {
  /// Bytes that the page's images should not exceed by much: beyond, fewer are shown.
  static var budget: Int { 4 << 20 }
  /// Images shown whatever comes of them; of the hardest and of the easiest half as many each.
  static var plain: Int { 8 }

  /// A reconstruction with its tokens.
  struct Made {
    var image: Image
    var psnr: Double
    var tokens: ComparisonPictures.TokenMap?
  }

  private var chosen: [(index: Int, note: String)]?
  private var judge: String?
  private var originals: [Int: [Image]] = [:]
  private var names: [String] = []
  private var rows: [Int: (made: [Made], size: Int)] = [:]

  /// The images to show, by their places in the set; the first call chooses, by the PSNR of each.
  mutating func indices(_ psnr: [Double], judge name: String) -> [Int] {
    if let chosen { return chosen.map(\.index).filter { $0 < psnr.count } }
    let plain = min(Self.plain, psnr.count)
    let order = (plain..<psnr.count).sorted { psnr[$0] < psnr[$1] }
    let few = min(Self.plain / 2, order.count / 2)
    let all =
      order.prefix(few).map { ($0, "hardest") }
      + order.suffix(few).reversed().map { ($0, "easiest") }
      + (0..<plain).map { ($0, "") }
    chosen = all
    if few > 0 { judge = name }
    return all.map(\.0)
  }

  /// Adds what the run at a place among the entries made of the chosen images.
  mutating func add(entry: Int, originals images: [Image], names: [String], made: [Made], size: Int)
  {
    originals[size] = images
    if self.names.isEmpty { self.names = names }
    rows[entry] = (made, size)
  }

  /// The images as PNG files; nil without a run.
  func pictures(entries: Int) throws(ImageError) -> ComparisonPictures? {
    guard let largest = originals.keys.max(), let shown = originals[largest] else { return nil }
    // Photographs take some two bytes a pixel as PNG, a third more in base64.
    let bytes = largest * largest * 8 / 3 * (1 + 2 * rows.count)
    let count = min(shown.count, max(2, Self.budget / max(1, bytes)))
    let kept = Self.kept(chosen?.map(\.note) ?? [], count)
    let top = largestDifference(kept)
    var made: [[ComparisonPictures.Reconstruction]?] = []
    for entry in 0..<entries {
      guard let row = rows[entry], let targets = originals[row.size] else {
        made.append(nil)
        continue
      }
      var list: [ComparisonPictures.Reconstruction] = []
      for index in kept where index < row.made.count && index < targets.count {
        let one = row.made[index]
        list.append(
          .init(
            png: try Self.png(one.image),
            difference: try Self.png(targets[index].difference(to: one.image, top: top)),
            psnr: one.psnr, tokens: one.tokens))
      }
      made.append(list)
    }
    var files: [ComparisonPictures.Original] = []
    for index in kept {
      files.append(
        .init(
          name: index < names.count ? names[index] : "image \(index + 1)",
          note: chosen?[index].note ?? "", png: try Self.png(shown[index])))
    }
    return ComparisonPictures(
      originals: files, largestDifference: top, judge: judge, rows: made)
  }

  /// Which of the images stay where there is room for fewer: of each note its share, one at least.
  private static func kept(_ notes: [String], _ count: Int) -> [Int] {
    guard count < notes.count else { return Array(notes.indices) }
    var kept: [Int] = []
    var turns: [String: [Int]] = [:]
    for (index, note) in notes.enumerated() { turns[note, default: []].append(index) }
    while kept.count < count, turns.values.contains(where: { !$0.isEmpty }) {
      for note in ["", "hardest", "easiest"] where kept.count < count {
        if let next = turns[note]?.first {
          kept.append(next)
          turns[note]?.removeFirst()
        }
      }
    }
    return kept.sorted()
  }

  /// The least of 16, 32, 64, 128, 255 that no more than 1 % of the differences exceed.
  private func largestDifference(_ kept: [Int]) -> Int {
    var counts = [Int](repeating: 0, count: 256)
    for row in rows.values {
      for index in kept where index < row.made.count {
        guard let target = originals[row.size]?[index] else { continue }
        for value in target.brightnessDifference(to: row.made[index].image) {
          counts[min(255, Int(value.rounded()))] += 1
        }
      }
    }
    let total = counts.reduce(0, +)
    return [16, 32, 64, 128].first { counts[$0...].reduce(0, +) * 100 <= total } ?? 255
  }

  private static func png(_ image: Image) throws(ImageError) -> [UInt8] {
    try ImageEncoder(compressionLevel: 9).encode(image, as: .png)
  }
}

extension Image {
  /// `|luma(self) - luma(other)|` of every pixel, 0...255.
  fileprivate func brightnessDifference(to other: Image) -> [Double] {
    (0..<width * height).map { index in
      func luma(_ pixels: [UInt8]) -> Double {
        0.299 * Double(pixels[3 * index]) + 0.587 * Double(pixels[3 * index + 1])
          + 0.114 * Double(pixels[3 * index + 2])
      }
      return (luma(pixels) - luma(other.pixels)).magnitude
    }
  }

  /// The same in the colours of ``ErrorRamp``, which end at `top`.
  fileprivate func difference(to other: Image, top: Int) -> Image {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(width * height * 3)
    for value in brightnessDifference(to: other) {
      let colour = ErrorRamp.colour(value / Double(top))
      pixels += [colour.0, colour.1, colour.2]
    }
    return Image(width: width, height: height, pixels: pixels)
  }
}

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

/// The sheets that a run drew while it trained, cut to their reconstructions for a page.
enum SampleStrips {
  /// Sheets of a run that a page holds at most.
  static var limit: Int { 12 }
  /// Bytes of a run's sheets that a page should not exceed.
  static var budget: Int { 1 << 20 }

  /// The strips up to a step, evenly spaced, the first and the last among them.
  ///
  /// - Parameter size: side of the images in pixels. Files that are no sheets of them are skipped.
  static func read(_ folder: String, size: Int, upTo step: Int) -> [RunDetails.Sample] {
    let path = folder + "/" + Checkpoint.samplesFolder
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    let sheets = names.compactMap { name -> (step: Int, name: String)? in
      guard name.hasSuffix(".png"), let at = Int(name.dropLast(4)), at >= 0, at <= step else {
        return nil
      }
      return (at, name)
    }.sorted { $0.step < $1.step }
    let count = min(limit, sheets.count)
    let chosen = (0..<count).map {
      sheets[count == 1 ? sheets.count - 1 : $0 * (sheets.count - 1) / (count - 1)]
    }
    var columns = 8
    var samples: [RunDetails.Sample] = []
    for sheet in chosen {
      guard let image = try? ImageDecoder().read(path + "/" + sheet.name),
        let strip = strip(image, size: size, columns: &columns, sheets: count),
        let png = try? ImageEncoder(compressionLevel: 9).encode(strip, as: .png)
      else { continue }
      samples.append(.init(step: sheet.step, png: png))
    }
    return samples
  }

  /// The second row of a sheet of two, each image at its own size; nil for another layout.
  private static func strip(
    _ sheet: Image, size: Int, columns: inout Int, sheets: Int
  ) -> Image? {
    let layout = ContactSheet()
    let scale = ContactSheet.comfortableScale(for: size)
    let cell = size * scale
    let count = (sheet.width - layout.margin) / (cell + layout.margin)
    guard sheet.height == layout.margin + 2 * (cell + layout.margin), count > 0,
      sheet.width == layout.margin + count * (cell + layout.margin)
    else { return nil }
    let room = budget / max(1, 3 * sheets * size * size)
    columns = min(columns, count, max(2, room))
    var strip = Image(width: columns * size + (columns - 1), height: size, filledWith: .white)
    let top = layout.margin + cell + layout.margin
    for column in 0..<columns {
      let left = layout.margin + column * (cell + layout.margin)
      for y in 0..<size {
        for x in 0..<size {
          strip[column * (size + 1) + x, y] = sheet[left + x * scale, top + y * scale]
        }
      }
    }
    return strip
  }
}
