import Datasets
import Execution
import Inference
import Tokenizers

extension MemoryNeed {
  /// What a run takes, without allocating any of it.
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
      "images to evaluate with", bytes: Double(evaluationImages) * image,
      keys: ["monitor.evaluationImages", "data.imageSize"])
    addCodebookWork(run)

    let laneKeys =
      (images > 1 ? ["training.microBatch"] : [])
      + (training.lanes > 1 ? ["training.lanes"] : []) + ["data.imageSize", "model.channels"]
    let lanes = "activations and gradients of \(training.lanes) lanes"
    let least = run.tokenizer.leastBytes(images: images, height: size, width: size)
    guard least < Self.mostPlanned else {
      add(lanes, bytes: Double(training.lanes) * least, keys: laneKeys)
      return
    }
    addWeights(
      "weights, their moments and averages", of: run.tokenizer,
      layout: Codec<B>.parameterLayout(run.tokenizer), blocks: Self.blocks(run))
    let plan = TrainingStep.plan(run, on: backend)
    add(lanes, bytes: plan.bytes(lanes: training.lanes), keys: laneKeys)
    addReconstruction(
      run.tokenizer, height: size, width: size, lanes: training.lanes, on: backend,
      lender: plan.arenaWords)
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

  /// Counts of codes, and the vectors that codebooks are made of.
  private mutating func addCodebookWork(_ run: RunConfiguration) {
    let (size, depth) = (Double(run.quantizer.codebookSize), Double(run.quantizer.depth))
    add(
      "counts of codes", bytes: 8 * size * (depth + 1),
      keys: ["quantizer.codebookSize", "quantizer.bits", "quantizer.levels"])
    guard let codebook = run.quantizer.codebook else { return }
    let vector = 4 * Double(codebook.dimension)
    // What is read, changed and written is a list of its own.
    add(
      "codebooks in hand", bytes: 2 * size * vector,
      keys: ["quantizer.codebookSize", "quantizer.codeDimension"])
  }
}
