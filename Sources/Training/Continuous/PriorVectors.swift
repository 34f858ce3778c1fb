import Files
import Foundation
import Priors
import TokenFiles

/// What vectors are made of.
public enum VectorSource: Codable, Equatable, Sendable {
  /// Pixels of images, composited over a background.
  case images(background: String)
  /// Latents of an autoencoder, and how images became its input.
  case latents(autoencoder: TokenizerIdentity, recipe: Recipe)
}

/// What a continuous prior's folder says of the vectors that it has learned: `vectors.json`.
public struct PriorVectors: Codable, Equatable, Sendable {
  /// The file's name.
  public static let file = "vectors.json"

  /// What they are made of.
  public let source: VectorSource
  /// How an image's numbers are vectors.
  public let patches: Patches
  /// How they are scaled.
  public let scale: VectorScale
  /// The names of the classes.
  public let classes: [String]

  /// What the vectors are.
  public var grid: VectorGrid {
    VectorGrid(
      rows: patches.rows, columns: patches.columns, numbers: patches.numbers,
      classes: classes.count)
  }

  /// What they are, in words: "8x8 patches of 48 numbers".
  public var words: String {
    let kind = autoencoder.map { "\($0.quantizer) latents" } ?? "patches"
    return "\(patches.rows)x\(patches.columns) \(kind) of \(patches.numbers) numbers"
  }

  /// The autoencoder whose latents they are; nil where they are pixels.
  public var autoencoder: TokenizerIdentity? {
    if case .latents(let autoencoder, _) = source { autoencoder } else { nil }
  }

  /// The grid `[height, width, channels]` of vectors `[rows, columns, numbers]`, on the scale of the images.
  public func grid(of vectors: [Float]) -> [Float] {
    var numbers = [Float](repeating: 0, count: patches.count)
    for place in 0..<patches.rows * patches.columns {
      patches.eachNumber(ofBlock: place) { block, index in
        numbers[index] = scale.number(
          vectors[place * patches.numbers + block], channel: index % patches.channels)
      }
    }
    return numbers
  }

  /// The vectors of a grid, on the scale of the prior: the way back.
  public func vectors(of numbers: [Float]) -> [Float] {
    let (factors, offsets) = (scale.factors, scale.offsets)
    var vectors = [Float](repeating: 0, count: patches.count)
    for place in 0..<patches.rows * patches.columns {
      patches.eachNumber(ofBlock: place) { block, index in
        let channel = index % patches.channels
        vectors[place * patches.numbers + block] =
          numbers[index] * factors[channel] + offsets[channel]
      }
    }
    return vectors
  }

  func write(to folder: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let text = String(decoding: try encoder.encode(self), as: UTF8.self)
    try AtomicFile.write(text + "\n", to: folder + "/" + Self.file)
  }
}

extension Checkpoint {
  /// The configuration that the run of a continuous prior was started with.
  public func readContinuousConfiguration() throws -> ContinuousRunConfiguration {
    try readConfiguration(of: .continuous)
  }

  /// What the vectors of a continuous prior are.
  public func readPriorVectors() throws -> PriorVectors {
    guard exists(PriorVectors.file) else {
      throw TrainingError.noCheckpoint(folder: folder, missing: PriorVectors.file)
    }
    let vectors: PriorVectors
    do {
      let data = try Data(contentsOf: URL(fileURLWithPath: path(PriorVectors.file)))
      vectors = try JSONDecoder().decode(PriorVectors.self, from: data)
    } catch {
      throw TrainingError.damaged(
        file: path(PriorVectors.file), reason: "it does not say what vectors the prior has learned")
    }
    let (patches, scale) = (vectors.patches, vectors.scale)
    guard
      Patches(
        height: patches.height, width: patches.width, channels: patches.channels,
        patch: patches.patch) == patches,
      scale.mean.count == patches.channels, scale.deviation.count == patches.channels,
      (scale.mean + scale.deviation).allSatisfy(\.isFinite)
    else {
      throw TrainingError.damaged(
        file: path(PriorVectors.file), reason: "its numbers do not fit each other")
    }
    return vectors
  }
}
