import Autodiff
import Evaluation
import Execution
import Imaging
import Tokenizers

/// The loss of the weights as they are, by forward passes alone.
///
/// On the batch of a step it tells what an update did; on held-out images, with PSNR, it holds the
/// last weights and their averages side by side.
final class HeldOutLoss<B: Backend> {
  /// Evaluation of the weights on images.
  struct Result: Equatable {
    /// The mean of what training minimizes.
    let loss: Double
    /// Peak signal to noise in dB, on 8-bit RGB after rounding.
    let psnr: Double
  }

  private let session: Session<B>
  private let shouldStop: () -> Bool
  private let imagesPerReplay: Int
  private let imageSize: Int

  /// Plans the passes, which use the memory of a session that never runs at the same time.
  init(
    _ tokenizer: TokenizerConfiguration, imageSize: Int, _ configuration: TrainingConfiguration,
    lender: Session<B>, shouldStop: @escaping () -> Bool
  ) {
    self.shouldStop = shouldStop
    self.imageSize = imageSize
    imagesPerReplay = configuration.imagesPerReplay(imageSize: imageSize)
    let objective = Objective(
      tokenizer, images: imagesPerReplay, size: imageSize, configuration.reconstructionLoss)
    let parameters = lender.parameters
    let backend = parameters.backend
    let plan = Plan(
      objective.graph, outputs: ["images": objective.images],
      statistics: ["loss": objective.loss]
    ) {
      backend.workspace(for: $0, inputs: $1, outputs: $2)
    }
    session = Session(
      plan, parameters: parameters, lanes: configuration.lanes, pool: lender.pool,
      borrowingFrom: lender)
  }

  /// The mean loss of a batch, `[count, H, W, 3]` in [-1, 1].
  ///
  /// - Parameter count: a multiple of the images of a replay, as a step's batch is.
  func loss(of batch: UnsafePointer<Float>, count: Int) -> Double {
    let words = imagesPerReplay * imageSize * imageSize * 3
    session.feed = { replay in replay.write("images", batch + replay.item * words) }
    session.run(items: count / imagesPerReplay)
    session.feed = { _ in }
    return session.mean("loss")
  }

  /// How many of a number of images are evaluated: whole replays, but at least one.
  func evaluated(of count: Int) -> Int {
    max(imagesPerReplay, count / imagesPerReplay * imagesPerReplay)
  }

  /// Loss and PSNR on images; where they do not fill one replay they are repeated.
  ///
  /// - Throws: `CancellationError` on a request to stop.
  func evaluate(_ images: [Image]) throws(CancellationError) -> Result {
    if shouldStop() { throw CancellationError() }
    let count = evaluated(of: images.count)
    let errors = UnsafeMutableBufferPointer<Double>.allocate(capacity: count)
    defer { errors.deallocate() }
    let places = ImageErrors(errors)
    let (size, batch) = (imageSize, imagesPerReplay)
    session.feed = { replay in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: size * size * 3) { staging in
        for slot in 0..<batch {
          let image = images[(replay.item * batch + slot) % images.count]
          image.write(normalizedTo: staging.baseAddress!)
          replay.write("images", element: slot, words: staging.baseAddress!)
        }
      }
    }
    session.collect = { replay in
      for slot in 0..<batch {
        let item = replay.item * batch + slot
        let numbers = [Float](unsafeUninitializedCapacity: size * size * 3) { buffer, initialized in
          replay.read("images", element: slot, intoWords: buffer.baseAddress!)
          initialized = size * size * 3
        }
        let image = Image(width: size, height: size, normalized: numbers)
        places.errors[item] = PeakSignalToNoise.meanSquaredError(
          images[item % images.count].pixels, image.pixels)
      }
    }
    session.isCancelled = shouldStop
    session.run(items: count / batch)
    session.isCancelled = nil
    session.feed = { _ in }
    session.collect = { _ in }
    if shouldStop() { throw CancellationError() }
    var psnr = PeakSignalToNoise()
    for error in errors { psnr.add(meanSquaredError: error) }
    return Result(loss: session.mean("loss"), psnr: psnr.decibels ?? 0)
  }
}

/// Errors that lanes write side by side, each at its own places.
private struct ImageErrors: @unchecked Sendable {
  // Unchecked: no two lanes write one place, and nobody reads before all are done.
  let errors: UnsafeMutableBufferPointer<Double>
  init(_ errors: UnsafeMutableBufferPointer<Double>) { self.errors = errors }
}
