import Configuration
import Datasets
import Foundation
import Tokenizers
import Training

/// A run of known quality, to predict what a similar one may reach.
struct ReferenceRun: Equatable {
  /// The configuration's name, or the run's folder.
  let name: String
  /// The quantizer's type.
  let quantizer: String
  /// Codes of a token, all depths together.
  let codes: Double
  /// Side of the images.
  let imageSize: Int
  /// Image pixels per token along one side.
  let downsampling: Int
  /// Steps, and images of a step.
  let steps, batchSize: Int
  /// On images that it was not trained on.
  let psnr: Double
  /// What it was trained on.
  let data: String

  /// Runs that were measured with Tessera; docs/quantizers.md and docs/photos.md say how.
  static let known: [ReferenceRun] = [
    .init("fsq", "fsq", 1000, 32, 2, 700, 16, 27.68, "2,000 built-in scenes"),
    .init("vq", "vq", 1024, 32, 2, 700, 16, 28.38, "2,000 built-in scenes"),
    .init("scenes-vq", "vq", 4096, 64, 4, 6000, 16, 31.96, "8,000 built-in scenes"),
    .init("cifar10-fsq", "fsq", 1000, 32, 2, 416, 64, 24.93, "10,000 images of CIFAR-10"),
    .init("cifar10-fsq", "fsq", 1000, 32, 2, 3000, 64, 30.41, "10,000 images of CIFAR-10"),
    .init("cifar10-vq", "vq", 1024, 32, 2, 416, 64, 25.12, "10,000 images of CIFAR-10"),
    .init("cifar10-vq", "vq", 1024, 32, 2, 3000, 64, 31.75, "10,000 images of CIFAR-10"),
    .init("study-codebooks", "fsq", 1000, 32, 4, 1000, 64, 23.34, "10,000 images of CIFAR-10"),
    .init("study-codebooks", "fsq", 15360, 32, 4, 1000, 64, 23.75, "10,000 images of CIFAR-10"),
    .init("study-codebooks", "vq", 1024, 32, 4, 1000, 64, 23.69, "10,000 images of CIFAR-10"),
    .init("study-codebooks", "vq", 16384, 32, 4, 1000, 64, 24.39, "10,000 images of CIFAR-10"),
    .init("study-codebooks", "simvq", 16384, 32, 4, 1000, 64, 24.08, "10,000 images of CIFAR-10"),
    .init("photos-64", "fsq", 1000, 64, 4, 500, 16, 19.78, "200 photographs of BSDS500"),
    .init("photos-128", "fsq", 64000, 128, 8, 300, 16, 19.14, "200 photographs of BSDS500"),
    .init("photos-256", "fsq", 64000, 256, 16, 300, 8, 17.28, "200 photographs of BSDS500"),
  ]

  private init(
    _ name: String, _ quantizer: String, _ codes: Double, _ imageSize: Int, _ downsampling: Int,
    _ steps: Int, _ batchSize: Int, _ psnr: Double, _ data: String
  ) {
    self.name = name
    self.quantizer = quantizer
    self.codes = codes
    self.imageSize = imageSize
    self.downsampling = downsampling
    self.steps = steps
    self.batchSize = batchSize
    self.psnr = psnr
    self.data = data
  }

  /// What is known of a run by its folder: the configuration and the last evaluation.
  init?(folder: String) {
    guard let run = try? Checkpoint(folder: folder).readConfiguration(),
      let line = Journal.lines(folder: folder).last(where: {
        $0["kind"] == .string("evaluation")
      }), let psnr = line["psnr"]?.double, let step = line["step"]?.double
    else { return nil }
    self.init(
      folder, run.quantizer.kind, Self.codes(run), run.data.imageSize, run.model.downsampling,
      Int(step), run.training.batchSize, psnr, run.data.train)
  }

  /// Codes of a token of a run, all depths together.
  static func codes(_ run: RunConfiguration) -> Double {
    pow(Double(run.quantizer.codebookSize), Double(run.quantizer.depth))
  }

  /// Runs like a configuration, the nearest first: those that are known, and those in a folder.
  ///
  /// They have its quantizer and its downsampling, at most twice or half its size of images, and at
  /// most eight times as many codes or an eighth.
  static func similar(to run: RunConfiguration, in folders: [String]) -> [ReferenceRun] {
    let own = folders.flatMap { folder in
      ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
        .compactMap { ReferenceRun(folder: folder + "/" + $0) }
    }
    let codes = codes(run)
    return (own + known).filter { other in
      let size = Double(other.imageSize) / Double(run.data.imageSize)
      return other.quantizer == run.quantizer.kind
        && other.downsampling == run.model.downsampling && 0.5...2 ~= size
        && 0.125...8 ~= other.codes / codes
    }
    .sorted { $0.distance(to: run) < $1.distance(to: run) }
  }

  /// How far the size, the codes and the length are from a configuration's, as logarithms.
  private func distance(to run: RunConfiguration) -> Double {
    let images = Double(steps * batchSize)
    let itsImages = Double(run.training.steps * run.training.batchSize)
    return abs(log2(Double(imageSize) / Double(run.data.imageSize)))
      + abs(log2(codes / Self.codes(run))) + abs(log2(max(images, 1) / max(itsImages, 1)))
  }
}
