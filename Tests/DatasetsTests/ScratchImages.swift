import FileTestSupport
import Foundation
import Imaging

extension ScratchFolder {
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

  /// Writes such an image, with the folders that it lies in.
  func writeImage(_ name: String, width: Int = 12, height: Int = 10, tint: Int = 0) throws {
    try folder((name as NSString).deletingLastPathComponent)
    try ImageEncoder().write(
      Self.image(width: width, height: height, tint: tint), to: file(name), as: .png)
  }

  /// `count` images, 000.png on, each with its own blue value.
  func fill(_ count: Int, width: Int = 12, height: Int = 10) throws {
    for index in 0..<count {
      let digits = String(index)
      let name = String(repeating: "0", count: 3 - digits.count) + digits + ".png"
      try writeImage(name, width: width, height: height, tint: index)
    }
  }
}
