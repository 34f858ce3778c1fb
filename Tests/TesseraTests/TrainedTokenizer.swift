import FileTestSupport
import Foundation
import SceneRendering
import Tessera

/// Small tokenizers, trained through the library for a few steps, once a test run.
///
/// What a trained tokenizer is good for does not matter here, only that it is a real one.
enum Trained {
  /// FSQ, 2x2 pixels a token, 1000 codes.
  static let fsq = Result {
    try train("fsq", .fsq(FiniteScalarConfiguration(levels: [8, 5, 5, 5])))
  }
  /// Residual VQ, 2x2 pixels a token of three ids.
  static let residual = Result {
    try train("residual", .residual(ResidualConfiguration(depth: 3, codebookSize: 40)))
  }

  /// A posterior of four channels, 2x2 pixels a latent vector.
  static let kl = Result { try train("kl", .kl(KLConfiguration(channels: 4))) }

  /// 12 drawn images of 32x32 pixels in `train`, 4 in `validation`.
  static let scenes = Result {
    let folder = try home.get().file("scenes")
    _ = try SceneDataset.write(count: 12, validation: 4, size: 32, seed: 1, to: folder)
    return folder
  }

  /// What is trained in a few steps.
  static func configuration(
    _ quantizer: QuantizerConfiguration, steps: Int = 3
  ) throws -> RunConfiguration {
    let scenes = try scenes.get()
    return RunConfiguration(
      data: DataConfiguration(
        train: scenes + "/train", validation: scenes + "/validation", imageSize: 32),
      model: ModelConfiguration(channels: [32, 32], latentChannels: 4), quantizer: quantizer,
      training: TrainingConfiguration(steps: steps, batchSize: 4, lanes: 2),
      monitor: MonitorConfiguration(logEvery: 1, evaluateEvery: 2, checkpointEvery: 2))
  }

  /// An image of any size that no two sizes share.
  static func image(_ width: Int, _ height: Int) -> Image {
    Image(
      width: width, height: height,
      pixels: (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 &* $0 / 7 + $0) })
  }

  /// It outlives every test, and goes when the test run ends.
  private static let home: Result<ScratchFolder, any Error> = Result {
    let folder = try ScratchFolder()
    atexit {
      if let home = try? Trained.home.get() {
        try? FileManager.default.removeItem(atPath: home.path)
      }
    }
    return folder
  }

  private static func train(_ name: String, _ quantizer: QuantizerConfiguration) throws -> String {
    let folder = try home.get().file(name)
    try Tokenizer.train(configuration(quantizer), to: folder)
    return folder
  }
}
