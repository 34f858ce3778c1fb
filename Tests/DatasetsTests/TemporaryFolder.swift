import Foundation
import Imaging

/// A folder of test images, removed with the object.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "datasets-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func makeFolder(_ name: String) throws {
    try FileManager.default.createDirectory(
      atPath: path + "/" + name, withIntermediateDirectories: true)
  }

  func write(_ text: String, to name: String) throws {
    let target = URL(fileURLWithPath: path + "/" + name)
    try FileManager.default.createDirectory(
      at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: target)
  }

  func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: path + "/" + name, withDestinationPath: target)
  }

  /// An image whose every pixel differs from its neighbours; `tint` tells images apart.
  static func image(width: Int, height: Int, tint: Int) -> Image {
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        pixels += [UInt8(x * 7 & 255), UInt8(y * 11 & 255), UInt8(tint & 255)]
      }
    }
    return Image(width: width, height: height, pixels: pixels)
  }

  func writeImage(_ name: String, width: Int = 12, height: Int = 10, tint: Int = 0) throws {
    try makeFolder((name as NSString).deletingLastPathComponent)
    try ImageEncoder().write(
      Self.image(width: width, height: height, tint: tint), to: path + "/" + name, as: .png)
  }

  /// `count` images, 000.png on, told apart by their blue.
  func fill(_ count: Int, width: Int = 12, height: Int = 10) throws {
    for index in 0..<count {
      let digits = String(index)
      let name = String(repeating: "0", count: 3 - digits.count) + digits + ".png"
      try writeImage(name, width: width, height: height, tint: index)
    }
  }
}
