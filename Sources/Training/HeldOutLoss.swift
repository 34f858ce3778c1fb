import Autodiff
import Evaluation
import Execution
import Imaging

/// What the weights as they are do on held-out images: how the last weights and their averages are held
/// side by side.
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

  /// Evaluates by the passes of a tokenizer.
  init(_ pass: ForwardPass<B>, shouldStop: @escaping () -> Bool) {
    session = pass.session
    imagesPerReplay = pass.batch.itemsPerReplay
    imageSize = pass.session.plan.inputs["images"]!.shape[1]
    self.shouldStop = shouldStop
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
