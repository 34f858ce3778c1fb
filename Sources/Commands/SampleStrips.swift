import Foundation
import Imaging
import Reports
import Training

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
