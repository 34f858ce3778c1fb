import CPUBackend
import Datasets
import Execution
import FileTestSupport
import Foundation
import Imaging
import Inference
import SceneRendering
import TokenFiles
import Tokenizers
import Training

/// Checkpoints of all quantizers, trained by the `train` executable for a few steps, once a test run.
///
/// What a trained tokenizer is good for does not matter here, only that it is a real one.
struct TinyCheckpoint: Sendable {
  /// What is trained.
  enum Kind: String, CaseIterable, Sendable {
    /// FSQ, 2x2 pixels a token, ids in 16 bits; images are scaled to cover the crop.
    case fsq
    /// VQ, straight-through, 2x2 pixels a token, ids in 16 bits; images are cropped only.
    case vq
    /// VQ by rotation, a token for each pixel, ids in 8 bits; images are cropped only.
    case rotation
    /// SimVQ, 2x2 pixels a token, ids in 16 bits; images are cropped only.
    case simvq
    /// BSQ, 2x2 pixels a token, ids in 32 bits; images are cropped only.
    case bsq
    /// Residual VQ of depth 3, 2x2 pixels a token, ids in 8 bits; images are cropped only.
    case residual
  }

  /// What it is.
  let kind: Kind
  /// Its folder.
  let path: String

  /// The trained checkpoint of a kind.
  static func of(_ kind: Kind) throws -> TinyCheckpoint {
    switch kind {
    case .fsq: try fsq.get()
    case .vq: try vq.get()
    case .rotation: try rotation.get()
    case .simvq: try simvq.get()
    case .bsq: try bsq.get()
    case .residual: try residual.get()
    }
  }

  /// The side of the model's images.
  var imageSize: Int { kind == .rotation ? 16 : 32 }
  /// Pixels per side of a token.
  var downsampling: Int { kind == .rotation ? 1 : 2 }

  private static let fsq = Result { try train(.fsq) }
  private static let vq = Result { try train(.vq) }
  private static let rotation = Result { try train(.rotation) }
  private static let simvq = Result { try train(.simvq) }
  private static let bsq = Result { try train(.bsq) }
  private static let residual = Result { try train(.residual) }

  /// It outlives every test, and goes when the test run ends.
  private static let home: Result<ScratchFolder, any Error> = Result {
    let folder = try ScratchFolder()
    atexit {
      if let home = try? TinyCheckpoint.home.get() {
        try? FileManager.default.removeItem(atPath: home.path)
      }
    }
    return folder
  }

  private static let scenes = Result {
    let folder = try home.get().file("scenes")
    _ = try SceneDataset.write(count: 8, validation: 4, size: 32, seed: 1, to: folder)
    return folder
  }

  private static func train(_ kind: Kind) throws -> TinyCheckpoint {
    let (home, scenes) = (try home.get(), try scenes.get())
    let quantizer =
      switch kind {
      case .fsq: #""type": "fsq", "levels": [8, 5, 5, 5]"#
      case .vq:
        #""type": "vq", "codebookSize": 300, "codeDimension": 4, "gradient": "straight-through""#
      case .rotation:
        #""type": "vq", "codebookSize": 64, "codeDimension": 4, "gradient": "rotation""#
      case .residual: #""type": "residual-vq", "depth": 3, "codebookSize": 40"#
      case .bsq: #""type": "bsq", "bits": 18"#
      case .simvq: #""type": "simvq", "codebookSize": 300, "codeDimension": 4"#
      }
    let configuration = """
      {
        "data": {
          "train": "\(scenes)/train", "validation": "\(scenes)/validation",
          "imageSize": \(kind == .rotation ? 16 : 32),
          "resize": "\(kind == .fsq ? "cover" : "none")"
        },
        "model": {"channels": \(kind == .rotation ? "[32]" : "[32, 32]"), "latentChannels": 4},
        "quantizer": {\(quantizer)},
        "training": {"steps": 3, "batchSize": 4, "lanes": 2}
      }
      """
    try home.write(configuration, to: "\(kind).json")
    let path = home.file("checkpoints \(kind)")
    let outcome = try CommandRunner.run(
      "train", ["--config", home.file("\(kind).json"), "--output", path, "--threads", "2"])
    guard outcome.code == 0 else { throw Broken(description: "train: \(outcome)") }
    return TinyCheckpoint(kind: kind, path: path)
  }

  private struct Broken: Error, CustomStringConvertible { let description: String }
}

extension TinyCheckpoint {
  /// The checkpoint as the library opens it, without any command.
  func open() throws -> (
    run: RunConfiguration, identity: TokenizerIdentity, codec: Codec<CPUBackend>
  ) {
    let checkpoint = Checkpoint(folder: path)
    let run = try checkpoint.readConfiguration()
    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
    let weights = try checkpoint.readModel(into: parameters)
    let codec = Codec(
      run.tokenizer, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    return (run, Checkpoint.identity(run.tokenizer, weights), codec)
  }

  /// The forward pass over an image, padded and cut back as `--size native` does.
  func forwardNative(_ image: Image) throws -> Image {
    try open().codec.reconstruct([image.padded(toMultipleOf: downsampling)])[0].image
      .cropped(x: 0, y: 0, width: image.width, height: image.height)
  }

  /// Encodes; the options come before the paths.
  func encode(
    _ paths: [String], to output: String, _ options: [String] = [], fileLimit: Int? = nil
  ) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      "encode", ["--checkpoint", path, "--output", output] + options + paths, fileLimit: fileLimit)
  }

  /// Decodes.
  func decode(
    _ tokens: String, to output: String, _ options: [String] = [], fileLimit: Int? = nil
  ) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      "decode", ["--checkpoint", path, "--output", output] + options + [tokens],
      fileLimit: fileLimit)
  }
}
