import Foundation
import Imaging
import SceneRendering

/// Images to encode, drawn once.
enum SampleImages {
  /// A scene of 64x64 pixels for each number.
  static let scenes: [Image] = (0..<4).map {
    SceneRenderer.render(SceneRecord(index: $0, trainingCount: 4, size: 64, seed: 7).scene)
  }

  /// A scene, cut to a size of at most 64x64.
  static func image(_ width: Int, _ height: Int, number: Int = 0) -> Image {
    scenes[number % scenes.count].cropped(x: 0, y: 0, width: width, height: height)
  }

  /// The bytes of a PNG file.
  static func png(_ width: Int, _ height: Int, number: Int = 0) throws -> [UInt8] {
    try ImageEncoder().encode(image(width, height, number: number), as: .png)
  }

  /// The bytes of a JPEG file.
  static func jpeg(_ width: Int, _ height: Int, number: Int = 0) throws -> [UInt8] {
    try ImageEncoder().encode(image(width, height, number: number), as: .jpeg)
  }

  /// Reads an image file.
  static func read(_ path: String) throws -> Image { try ImageDecoder().read(path) }
}
