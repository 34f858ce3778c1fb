import Datasets
import Execution
import Inference
import Tokenizers

extension MemoryNeed {
  /// Memory of a run, computed without allocating it.
  ///
  /// - Parameters:
  ///   - run: a valid configuration.
  ///   - evaluationImages: how many images are kept to evaluate with.
  ///   - backend: the device; it only tells what its kernels need.
  public init<B: Backend>(
    training run: RunConfiguration, evaluationImages: Int = 1, on backend: B
  ) {
    self.init()
    let (training, size) = (run.training, run.data.imageSize)
    let images = training.imagesPerReplay(imageSize: size)
    let image = Double(size) * Double(size) * 3

    // Three batches of floats are prepared, used and put back in turns.
    add(
      "batches of images", bytes: 3 * Double(training.batchSize) * image * 4,
      keys: ["training.batchSize", "data.imageSize"])
    add(
      "evaluation images", bytes: Double(evaluationImages) * image,
      keys: ["monitor.evaluationImages", "data.imageSize"])
    addCodebookWork(run)

    // The steps of all sizes are planned; the largest lends the others its arenas.
    let multiples = Set(run.data.sizeMultiples + [1]).sorted(by: >)
    let largest = multiples[0]
    let laneKeys =
      (images > 1 ? ["training.microBatch"] : [])
      + (training.lanes > 1 ? ["training.lanes"] : [])
      + (largest > 1 ? ["data.sizeMultiples"] : []) + ["data.imageSize", "model.channels"]
    let lanes = "activations and gradients of \(training.lanes) lanes"
    let least = multiples.map { multiple in
      run.tokenizer.leastBytes(
        images: training.forImages(multiple: multiple).imagesPerReplay(imageSize: size * multiple),
        height: size * multiple, width: size * multiple)
    }.max()!
    guard least < Self.mostPlanned else {
      add(lanes, bytes: Double(training.lanes) * least, keys: laneKeys)
      return
    }
    addWeights(
      "weights, their moments and averages", of: run.tokenizer,
      layout: Codec<B>.parameterLayout(run.tokenizer), blocks: Self.blocks(run))
    let model = TokenizerModel(run)
    let plans = model.variants.map { model.record($0).plan(model.batch($0), on: backend) }
      .sorted { $0.arenaWords > $1.arenaWords }
    let arena = plans[0].arenaWords
    let bytes = plans.enumerated().reduce(0.0) { sum, plan in
      sum
        + plan.element.bytes(
          lanes: training.lanes,
          borrowsArenas: plan.offset > 0 && plan.element.arenaWords <= arena)
    }
    add(lanes, bytes: bytes, keys: laneKeys)
    addReconstruction(
      run.tokenizer, height: size, width: size, lanes: training.lanes, on: backend, lender: arena)
  }

  /// Blocks of memory that are laid out as the weights are.
  private static func blocks(_ run: RunConfiguration) -> Int {
    let averages = run.training.averaging.rules.count
    let (averageLoss, cosines) = (run.monitor.averageLoss, run.monitor.cosines)
    let looksBack = averageLoss || cosines || run.monitor.decrease
    return ParameterBlock.trained.count + 2 * averages + (averages > 0 ? 1 : 0)
      + (averageLoss ? 1 : 0) + (cosines ? 1 : 0)
      + (looksBack && run.training.lanes == 1 && averages == 0 ? 1 : 0)
  }

  /// The tokens of a batch, and the vectors that codebooks are made of.
  private mutating func addCodebookWork(_ run: RunConfiguration) {
    let side = Double(run.data.imageSize / run.model.downsampling)
    let tokens = Double(run.training.batchSize) * side * side
    let vector = 4 * Double(run.quantizer.codebook?.dimension ?? 0)
    // Ids are counted as integers of 32 and 64 bits, which are copied on the way. Vectors are kept
    // for codebook initialization, EMA updates and dead-code revival.
    add(
      "tokens of a batch",
      bytes: tokens * (Double(run.quantizer.depth) * 40 + (vector > 0 ? 16 + 3 * vector : 0)),
      keys: ["training.batchSize", "data.imageSize"])
    guard let codebook = run.quantizer.codebook else { return }
    // What is read, changed and written is a list of its own.
    add(
      "codebooks in hand", bytes: 2 * Double(codebook.size) * vector,
      keys: ["quantizer.codebookSize", "quantizer.codeDimension"])
  }
}
