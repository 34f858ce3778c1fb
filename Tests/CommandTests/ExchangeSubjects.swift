import FileTestSupport
import Foundation
import Imaging

/// What tests of other programs read: a checkpoint of each quantizer, the same images as ids of each, and
/// what they decode to, made by the commands once a test run.
///
/// In the folder lie `pixels`, bytes `[N, H, W, 3]`, and for each name `NAME/`, `NAME.safetensors` with the
/// ids or latents, and `NAME.decoded`, bytes as `pixels`.
struct ExchangeSubjects: Sendable {
  /// A checkpoint to be.
  struct Subject: Sendable {
    let name: String
    let quantizer: String
    var model = #""channels": [32, 64], "latentChannels": 6, "normGroups": 8"#
  }

  /// Networks with attention in a level and the middle, of three levels and two blocks.
  private static let large = """
    "channels": [16, 32, 32], "blocksPerLevel": 2, "latentChannels": 6, "normGroups": 8, \
    "attentionLevels": [1], "middleAttention": true
    """

  /// One of each quantizer, and of its variants.
  static let subjects = [
    Subject(
      name: "vq", quantizer: #""type": "vq", "codebookSize": 300, "codeDimension": 4"#,
      model: large),
    Subject(name: "cosine-vq", quantizer: #""type": "cosine-vq", "codebookSize": 300"#),
    Subject(name: "simvq", quantizer: #""type": "simvq", "codebookSize": 300"#),
    Subject(name: "fsq-tanh", quantizer: #""type": "fsq", "levels": [8, 5, 2]"#),
    Subject(
      name: "fsq-sigmoid", quantizer: #""type": "fsq", "levels": [8, 6, 5], "bound": "sigmoid""#),
    Subject(name: "fsq-ifsq", quantizer: #""type": "fsq", "levels": [7, 5, 5], "bound": "ifsq""#),
    Subject(name: "lfq", quantizer: #""type": "lfq", "bits": 10"#),
    Subject(name: "bsq", quantizer: #""type": "bsq", "bits": 18"#),
    Subject(
      name: "product-vq",
      quantizer: #""type": "product-vq", "groups": 2, "codebookSize": 64, "codeDimension": 8"#),
    Subject(
      name: "residual-vq", quantizer: #""type": "residual-vq", "depth": 3, "codebookSize": 40"#),
    Subject(
      name: "residual-fsq", quantizer: #""type": "residual-fsq", "depth": 3, "levels": [5, 4, 3]"#),
    Subject(name: "kl", quantizer: #""type": "kl", "channels": 6"#, model: large),
    Subject(name: "kl-narrow", quantizer: #""type": "kl", "channels": 3"#),
    Subject(name: "none", quantizer: #""type": "none", "channels": 4"#),
    Subject(
      name: "layout-patch",
      quantizer: #""type": "fsq", "levels": [8, 5, 5], "bound": "tanh-wide""#,
      model: foreign(
        #""patch": 2, "inputScale": 0.5, "inputOffset": 0.5, "encoderBlocks": [2, 1]"#)),
    Subject(
      name: "layout-adaptive", quantizer: #""type": "lfq", "bits": 9"#,
      model: foreign(
        #""halvingPadding": "around", "doubling": "depth-to-space", "adaptiveNorm": true"#)),
    Subject(
      name: "layout-inner",
      quantizer:
        #""type": "vq", "metric": "inner", "codebookSize": 300, "codeDimension": 4, "initialization": "normal""#,
      model: foreign(
        #""decoderChannels": [16, 32], "decoderBlocks": [3, 1], "middleBlocks": 3"#)),
  ]

  /// How many different ids there are at least: by inner products few codes are chosen, the longest.
  static func leastKinds(_ name: String) -> Int { name == "layout-inner" ? 2 : 5 }

  /// Networks as imported tokenizers have them.
  private static func foreign(_ layout: String) -> String {
    #""channels": [32, 64], "latentChannels": 6, "normGroups": 8, "layout": {\#(layout)}"#
  }

  /// Checkpoints with split layers (svd) and with narrow blocks (id) of one quantizer, and with attention.
  static let compressed = ["fsq-svd", "fsq-id", "vq-svd", "vq-id"]

  /// All checkpoints.
  static let names = subjects.map(\.name) + compressed

  /// The images.
  static let (count, width, height) = (6, 48, 32)

  /// The folder, with everything made.
  static func folder() throws -> String { try made.get().path }

  private static let made: Result<ScratchFolder, any Error> = Result {
    let folder = try ScratchFolder()
    atexit {
      if let path = try? ExchangeSubjects.made.get().path {
        try? FileManager.default.removeItem(atPath: path)
      }
    }
    try make(in: folder)
    return folder
  }

  private static func make(in folder: ScratchFolder) throws {
    let images = (0..<count).map { number in
      SampleImages.image(64, 64, number: number).cropped(
        x: number, y: 3 * number, width: width, height: height)
    }
    var pixels: [UInt8] = []
    for (number, image) in images.enumerated() {
      try folder.write(ImageEncoder().encode(image, as: .png), to: "in/\(number).png")
      pixels += image.pixels
    }
    try ScratchFolder.put(pixels, at: folder.file("pixels"))
    for subject in subjects { try train(subject, in: folder) }
    for (name, original) in [("fsq", "fsq-tanh"), ("vq", "vq")] {
      let compress = ["compress", "--checkpoint", original, "--energy", "0.9", "--output"]
      try run(folder, "tessera", compress + [name + "-svd"])
      try run(
        folder, "tessera", compress + [name + "-id", "--method", "id", "--images", "2"])
    }
    for name in names {
      try run(
        folder, "encode", "--checkpoint", name, "--size", "native", "--output",
        name + ".safetensors", "in")
      try run(
        folder, "decode", "--checkpoint", name, "--output", name + ".out", name + ".safetensors")
      var decoded: [UInt8] = []
      for number in 0..<count {
        decoded += try SampleImages.read(folder.file("\(name).out/\(number).png")).pixels
      }
      try ScratchFolder.put(decoded, at: folder.file(name + ".decoded"))
    }
  }

  private static func train(_ subject: Subject, in folder: ScratchFolder) throws {
    let configuration = """
      {
        "data": {"train": "in", "validationShare": 0.2, "imageSize": 32},
        "model": {\(subject.model)},
        "quantizer": {\(subject.quantizer)},
        "training": {
          "steps": 8, "batchSize": 4, "lanes": 1, "optimizer": {"type": "adamw", "learningRate": 2e-3}
        },
        "monitor": {"keepBest": "psnr", "evaluateEvery": 4, "samples": 0, "tensorBoard": false}
      }
      """
    try folder.write(configuration, to: subject.name + ".json")
    try run(folder, "train", "--config", subject.name + ".json", "--output", subject.name)
  }

  private static func run(
    _ folder: ScratchFolder, _ command: String, _ arguments: String...
  ) throws {
    try run(folder, command, arguments)
  }

  private static func run(
    _ folder: ScratchFolder, _ command: String, _ arguments: [String]
  ) throws {
    let outcome = try CommandRunner.run(command, arguments, in: folder.path)
    guard outcome.code == 0 else {
      throw Broken(description: "\(command) \(arguments): \(outcome)")
    }
  }

  private struct Broken: Error, CustomStringConvertible { let description: String }
}
