import Foundation
import Randomness
import TokenFiles

/// Token files to measure with, drawn from a seed: squares of tokens, of one id each.
struct DrawnTokens {
  /// Images of the file.
  var images: Int
  /// Tokens on each side of an image.
  var side: Int
  /// Codes K.
  var codes: Int
  /// How often a token follows from its neighbours; otherwise it is any.
  ///
  /// It is the one to its left, or the one above it plus one, by even chances.
  var structure = 0.0
  /// The start of all random numbers.
  var seed: UInt64 = 0

  /// The path of the file, which is written at the first use.
  ///
  /// - Parameter format: `npy` can be read by other programs too.
  func path(_ name: String, _ format: TokenFormat = .safetensors) throws -> String {
    let words = [name, String(images), String(side), String(codes), String(seed)]
    let path =
      try Places.scratch("tokens") + "/" + words.joined(separator: "-") + "." + format.rawValue
    if FileManager.default.fileExists(atPath: path) { return path }
    let pixels = 8 * side
    let writer = try TokenWriter(
      path: path, format: format,
      identity: TokenizerIdentity(
        fingerprint: "0", quantizer: "vq", codebookSize: codes, downsampling: 8),
      recipe: .generated, replace: true)
    var random = Generator(seed: seed).split(named: name)
    for image in 0..<images {
      try writer.append(
        TokenRecord(
          path: "\(image).png", width: pixels, height: pixels, paddedWidth: pixels,
          paddedHeight: pixels, gridHeight: side, gridWidth: side, tokens: tokens(&random)))
    }
    _ = try writer.finish()
    return path
  }

  /// The tokens of an image, row by row.
  private func tokens(_ random: inout Generator) -> [UInt32] {
    var ids: [UInt32] = []
    for place in 0..<side * side {
      let isAbove = random.bernoulli(0.5)
      let any = UInt32(random.integer(below: codes))
      if !random.bernoulli(structure) {
        ids.append(any)
      } else if isAbove, place >= side {
        ids.append((ids[place - side] + 1) % UInt32(codes))
      } else {
        ids.append(place % side > 0 ? ids[place - 1] : any)
      }
    }
    return ids
  }
}
