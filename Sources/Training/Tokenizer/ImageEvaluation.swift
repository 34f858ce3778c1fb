import Files
import Autodiff
import Configuration
import Datasets
import Diagnostics
import Evaluation
import Execution
import Imaging
import Inference
import Ranks
import Tokenizers

/// How well a tokenizer does on a fixed set of images.
public struct EvaluationResult: Sendable, Equatable {
  /// How many images were evaluated.
  public let images: Int
  /// Peak signal to noise in dB, on 8-bit RGB, from the mean of the images' squared errors.
  public let psnr: Double
  /// Structural similarity on 8-bit RGB, the mean over images.
  public let ssim: Double
  /// The mean over tokens of the squared distance between vector and code.
  public let quantizationError: Double
  /// How often each code was used, pooled over all depths of the tokens.
  public let usage: CodebookUsage
  /// The same at each depth.
  public let depths: DepthUsage
  /// Tokens of the set: positions of its images' grids, each with an id at every depth.
  public var tokens: Int { depths.tokens }
  /// Pixels of the set, for bits per pixel.
  public let pixels: Int
  /// Images a second: encoding, quantizing, decoding.
  public let imagesPerSecond: Double
  /// How far the vectors before quantization lie apart.
  public let latents: VectorSpread
  /// What the channels of latents carry that are not quantized; nil where they are.
  ///
  /// Then ``usage`` and
  /// ``depths`` are of no codes.
  public let latentUse: LatentUse?

  /// Bits to tell one token, all its indices; 0 where there are none.
  public var bitsPerToken: Double {
    guard usage.codes > 0 else { return 0 }
    return Information.bitsPerToken(codes: usage.codes) * Double(depths.depths.count)
  }
  /// Bits of tokens to one pixel; 0 where there are none.
  public var bitsPerPixel: Double {
    guard usage.codes > 0 else { return 0 }
    return Information.bitsPerToken(codes: usage.codes) * Double(usage.ids) / Double(pixels)
  }
}

/// Evaluates tokenizers on images: PSNR, SSIM, codebook usage, quantization error.
public enum Evaluator {
  /// Images that are held in memory at once, and between two looks at whether to stop; fewer of large
  /// ones.
  static func portion(of images: [Image], lanes: Int) -> Int {
    let pixels = images.map { $0.width * $0.height }.max() ?? 1
    return max(lanes, min(64, (1 << 18) / max(1, pixels)))
  }

  /// Runs images through a codec.
  ///
  /// - Parameters:
  ///   - images: at least one; sides that are multiples of the downsampling.
  ///   - codec: the tokenizer.
  ///   - group: processes that share the work, and all get the result.
  ///   - visit: called with the number of each image and its reconstruction.
  ///   - shouldStop: asked now and then; where it says so, the evaluation ends by `CancellationError`.
  public static func evaluate(
    _ images: [Image], with codec: any ImageCodec, group: ProcessGroup? = nil,
    visit: (Int, Image) -> Void = { _, _ in }, shouldStop: () -> Bool = { false }
  ) throws -> EvaluationResult {
    var psnr = PeakSignalToNoise()
    var ssim = StructuralSimilarity()
    let quantizer = codec.configuration.quantizer
    var depths = DepthUsage(codes: quantizer.codebookSize, depth: quantizer.depth)
    var sums = LatentSums(channels: codec.configuration.quantizer.codeDimension)
    var (error, ids, pixels, seconds) = (0.0, 0, 0, 0.0)
    let clock = ContinuousClock()
    let portion = portion(of: images, lanes: codec.lanes * (group?.size ?? 1))
    for start in stride(from: 0, to: images.count, by: portion) {
      if shouldStop() { throw CancellationError() }
      let range = start..<min(start + portion, images.count)
      let began = clock.now
      let results = try codec.reconstruct(images[range], sharing: group)
      seconds += began.duration(to: clock.now) / .seconds(1)
      for (index, result) in zip(range, results) {
        let original = images[index]
        psnr.add(original.pixels, result.image.pixels)
        ssim.add(
          original.pixels, result.image.pixels, width: original.width, height: original.height)
        depths.add(result.tokens.indices)
        sums.add(result.latents, divergences: result.divergences)
        error += result.quantizationError * Double(result.tokens.indices.count)
        ids += result.tokens.indices.count
        pixels += original.width * original.height
        visit(index, result.image)
      }
    }
    return EvaluationResult(
      images: images.count, psnr: psnr.decibels ?? 0, ssim: ssim.mean ?? 0,
      quantizationError: error / Double(max(1, ids)), usage: depths.pooled,
      depths: depths, pixels: pixels,
      imagesPerSecond: Double(images.count) / max(seconds, 1e-9),
      latents: VectorSpread(sums.moments),
      latentUse: quantizer.isContinuous ? sums.use(images: images.count) : nil)
  }
}

extension EvaluationResult {
  /// The log's line: `kind` is "evaluation".
  ///
  /// Of tokens with several indices, usage is pooled, and told for each depth as well. Where nothing is
  /// quantized, what the latents' channels carry stands in place of usage.
  ///
  /// - Parameters:
  ///   - seconds: of training so far.
  ///   - weights: which weights were evaluated: "last" or an average.
  func line(step: Int, seconds: Double, weights: String) -> JSONObject {
    if let latentUse {
      var line = JSONObject([
        "kind": .string("evaluation"), "step": .integer(step), "images": .integer(images),
        "weights": .string(weights), "ssim": .number(ssim),
      ])
      line.add("latentRank", latents.effectiveRank)
      latentUse.add(to: &line)
      line.add("psnr", psnr)
      line["seconds"] = .number(seconds)
      return line
    }
    var line = JSONObject([
      "kind": .string("evaluation"), "step": .integer(step), "images": .integer(images),
      "weights": .string(weights), "ssim": .number(ssim),
      "quantizationError": .number(quantizationError), "usage": .number(usage.usage),
      "usedCodes": .integer(usage.used), "codes": .integer(usage.codes),
      "tokens": .integer(tokens), "ids": .integer(usage.ids),
      "expectedUniformUsage": .number(usage.expectedUniformUsage),
      "perplexity": .number(usage.perplexity), "bitsPerPixel": .number(bitsPerPixel),
    ])
    line.add("psnr", psnr)
    line["seconds"] = .number(seconds)
    if depths.depths.count > 1 {
      line["usedCodesByDepth"] = .array(depths.depths.map { .integer($0.used) })
      line["perplexityByDepth"] = .array(depths.depths.map { .number($0.perplexity) })
    }
    return line
  }
}

/// Evaluates a tokenizer between its steps: on a fixed set of images, of which some are drawn over their
/// reconstructions.
final class ImageEvaluation<B: Backend>: ModelEvaluation {
  private let run: RunConfiguration
  private let codec: Codec<B>
  private let parameters: ParameterMemory<B>
  private let images: [Image]
  /// Those by which averages are compared: spread evenly over the set.
  private let heldOut: [Image]
  private let pass: HeldOutPass<B>
  private let observer: any TrainingObserver
  private let shouldStop: () -> Bool

  /// Evaluates on images.
  ///
  /// - Parameters:
  ///   - parameters: the weights that the codec has.
  ///   - heldOutCount: how many of them averages are compared by.
  ///   - forward: the forward pass of a step.
  init(
    _ run: RunConfiguration, codec: Codec<B>, parameters: ParameterMemory<B>, images: [Image],
    heldOutCount: Int, forward: ForwardPass<B>, observer: any TrainingObserver,
    shouldStop: @escaping () -> Bool
  ) {
    self.run = run
    self.codec = codec
    self.parameters = parameters
    self.images = images
    self.observer = observer
    self.shouldStop = shouldStop
    let count = min(heldOutCount, images.count)
    heldOut = (0..<count).map { images[$0 * images.count / count] }
    pass = HeldOutPass(forward, shouldStop: shouldStop)
  }

  /// There is nothing to evaluate until tokens are quantized.
  func canEvaluate(after step: Int) -> Bool { !run.defersQuantization(inStep: step) }

  /// Measures on all images, and draws samples.
  ///
  /// The samples are spread evenly over the set: its first images may all be of one class.
  func evaluate(_ request: EvaluationRequest) throws -> Evaluation {
    let step = request.step
    let count = min(run.monitor.samples, images.count)
    let samples = (0..<count).map { $0 * images.count / count }
    var reconstructions: [Image] = []
    let result = try Evaluator.evaluate(images, with: codec, group: pass.group) { index, image in
      if samples.contains(index) { reconstructions.append(image) }
    } shouldStop: {
      shouldStop()
    }
    if count > 0 {
      let sheet = ContactSheet.pairs(
        originals: samples.map { images[$0] }, reconstructions: reconstructions, columns: count)
      try request.diary.record(samples: sheet, step: step)
    }
    let spectra =
      run.monitor.spectra ? try parameters.layerSpectra(shouldStop: shouldStop) : nil
    return Evaluation(
      value: run.monitor.keepBest == .ssim ? result.ssim : result.psnr,
      line: result.line(step: step, seconds: request.seconds, weights: request.weights),
      others: [spectra?.line(step: step, weights: request.weights)].compactMap { $0 },
      tell: { [observer] in observer.didEvaluate(result, step: step) })
  }

  var heldOutItems: Int { heldOut.isEmpty ? 0 : pass.evaluated(of: heldOut.count) }
  func heldOutLoss() throws -> HeldOutLoss { try pass.evaluate(heldOut) }

  var measure: Double { run.monitor.keepBest == .ssim ? 1 : 0 }
  var keepsBest: Bool { run.monitor.keepBest != .none }
}

/// The training loss and the PSNR of the weights in memory on held-out images, by which the last weights
/// and their averages are compared.
private final class HeldOutPass<B: Backend> {
  private let session: Session<B>
  /// The processes that share the work.
  var group: ProcessGroup? { session.group }
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

  /// Loss, and PSNR in dB on 8-bit RGB after rounding; where they do not fill one replay they are repeated.
  ///
  /// - Throws: `CancellationError` on a request to stop, `RankError` where another process is lost.
  func evaluate(_ images: [Image]) throws -> HeldOutLoss {
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
    session.share(UnsafeMutableRawBufferPointer(errors))
    try group?.check()
    if shouldStop() { throw CancellationError() }
    var psnr = PeakSignalToNoise()
    for error in errors { psnr.add(meanSquaredError: error) }
    return HeldOutLoss(
      loss: session.mean("loss"), statistics: [StepReport.psnrName: psnr.decibels ?? 0])
  }
}

/// Errors that lanes write side by side, each at its own places.
private struct ImageErrors: @unchecked Sendable {
  // Unchecked: no two lanes write one place, and nobody reads before all are done.
  let errors: UnsafeMutableBufferPointer<Double>
  init(_ errors: UnsafeMutableBufferPointer<Double>) { self.errors = errors }
}
