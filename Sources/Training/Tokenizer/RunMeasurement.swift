import Datasets
import Execution
import Inference
import Safetensors
import Tokenizers

/// What a few steps predict for a whole run: time, memory and disk.
public struct RunMeasurement: Sendable {
  /// Steps that were measured.
  public let steps: Int
  /// Seconds of one step with the batch it waits for, the mean.
  public let stepSeconds: Double
  /// Seconds of an evaluation on the fixed set, from the time of a few of its images.
  public let evaluationSeconds: Double
  /// The step that the run resumes from; 0 for a new one.
  public let firstStep: Int
  /// Images of the fixed evaluation set.
  public let evaluationImages: Int
  /// Trained numbers.
  public let parameters: Int
  /// Bytes of all lanes' arenas, and of what they share.
  public let arenaBytes: Int
  /// Bytes of all lanes' gradients.
  public let gradientBytes: Int
  /// Bytes of weights, moments, averages and what diagnostics look back on.
  public let parameterBytes: Int
  /// Bytes of the file to encode with.
  public let modelFileBytes: Int
  /// Bytes of the file to resume from.
  public let stateFileBytes: Int
}

extension TokenizerTrainer {
  /// Takes steps as training does and evaluates a few images, to estimate what a run will take.
  ///
  /// Nothing is saved, and the weights are those of a new run. The first steps touch memory for the
  /// first time and do not count. A request to stop ends it with `DatasetError.stopped`.
  /// - Parameters:
  ///   - steps: the steps that are measured; nil for as many as fit into `seconds`, at least 2.
  ///   - seconds: how long to measure, if `steps` does not say.
  public func measure(
    steps: Int? = nil, seconds: Double = 15, warmup: Int = 1
  ) throws -> RunMeasurement {
    let firstStep = isResuming ? try checkpoint.savedStep() : 0
    try codebookStart.makeFirst()
    let step = makeStep()
    let loader = makeLoader(firstStep: 0)
    defer { loader.stop() }
    let clock = ContinuousClock()
    var (measured, total) = (0, 0.0)
    for index in 0... {
      if shouldStop() { throw DatasetError.stopped }
      let began = clock.now
      let outcome = try loader.withBatch(step: index) { step.measure($0) }
      step.update(step: index, gradientNorm: outcome.gradientNorm)
      guard index >= warmup else { continue }
      measured += 1
      total += began.duration(to: clock.now) / .seconds(1)
      if let steps {
        if measured >= steps { break }
      } else if measured >= 2, total >= seconds {
        break
      }
    }
    let plan = step.session.plan
    let word = MemoryLayout<Float>.stride
    let lanes = run.training.lanes
    let blocks =
      ParameterBlock.trained + averages.blocks + OptimizationDiagnostics<B>.blocks(run.monitor)
    let layout = parameters.layout
    return RunMeasurement(
      steps: measured, stepSeconds: total / Double(max(1, measured)),
      evaluationSeconds: try evaluationSeconds(), firstStep: firstStep,
      evaluationImages: evaluationSet.count, parameters: layout.count,
      arenaBytes: plan.arenaWords * word * lanes + plan.sharedWords * word,
      gradientBytes: plan.parameters.words * word * lanes,
      parameterBytes: layout.words * word * blocks.count,
      modelFileBytes: layout.totalCount * word,
      stateFileBytes: (layout.totalCount + layout.count * (blocks.count - 1)) * word)
  }

  /// Seconds of an evaluation, from that of a few images.
  private func evaluationSeconds() throws -> Double {
    let few = Array(evaluationSet.images.prefix(2 * run.training.lanes))
    let clock = ContinuousClock()
    let began = clock.now
    _ = try Evaluator.evaluate(few, with: codec)
    let seconds = began.duration(to: clock.now) / .seconds(1)
    return seconds / Double(max(1, few.count)) * Double(evaluationSet.count)
  }
}

extension Checkpoint {
  /// The step of the state to resume from, read without its weights.
  public func savedStep() throws(TrainingError) -> Int {
    guard hasState else { throw .noCheckpoint(folder: folder, missing: Self.stateFile) }
    do {
      let file = try SafetensorsFile(path: path(Self.stateFile))
      guard let step = Self.step(in: file.metadata) else {
        throw TrainingError.damaged(
          file: path(Self.stateFile), reason: "its metadata lack the step")
      }
      return step
    } catch let error as SafetensorsError {
      throw TrainingError(error)
    } catch {
      throw .damaged(file: path(Self.stateFile), reason: String(describing: error))
    }
  }
}

extension TokenizerTrainer {
  /// Makes steps as training does, and measures where their time goes; nothing is saved.
  ///
  /// - Parameters:
  ///   - steps: the steps that are measured.
  ///   - warmup: the steps before, in which memory is touched for the first time.
  public func trace(steps: Int, warmup: Int = 1) throws -> Trace {
    try codebookStart.makeFirst()
    let step = makeStep()
    let loader = makeLoader(firstStep: 0)
    defer { loader.stop() }
    let trace = Trace(
      step.session.plan, lanes: step.session.ownLanes.count, threads: step.session.threads)
    let clock = ContinuousClock()
    for index in 0..<(warmup + steps) where !shouldStop() {
      if index == warmup { step.session.trace = trace }
      let began = clock.now
      let outcome = try loader.withBatch(step: index) { batch in
        step.session.trace?.add(.waiting, since: began)
        return step.measure(batch)
      }
      step.update(step: index, gradientNorm: outcome.gradientNorm)
      step.session.trace?.addStep(since: began)
    }
    return trace
  }
}

extension MemoryNeed {
  /// Memory of a run, computed without allocating it.
  ///
  /// - Parameters:
  ///   - run: a valid configuration.
  ///   - evaluationImages: how many images are kept to evaluate with.
  ///   - processes: how many processes share the lanes.
  ///   - backend: the device; it only tells what its kernels need.
  public init<B: Backend>(
    training run: RunConfiguration, evaluationImages: Int = 1, processes: Int = 1, on backend: B
  ) {
    self.init()
    let (training, size) = (run.training, run.data.imageSize)
    let ownLanes = training.lanes / processes
    let images = training.imagesPerReplay(imageSize: size)
    let image = Double(size) * Double(size) * 3

    // Batches of floats are prepared, used and put back in turns: one more than are prepared at a time.
    let decoders = run.data.loaderThreads(cores: AvailableCores.count, isCached: false)
    add(
      "batches of images",
      bytes: Double(1 + max(2, decoders)) * Double(training.batchSize) * image * 4,
      keys: ["training.batchSize", "data.imageSize", "data.threads"])
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
    let lanes = "activations and gradients of \(ownLanes) lanes"
    let least = multiples.map { multiple in
      run.tokenizer.leastBytes(
        images: training.forImages(multiple: multiple).imagesPerReplay(imageSize: size * multiple),
        height: size * multiple, width: size * multiple)
    }.max()!
    guard least < Self.mostPlanned else {
      add(lanes, bytes: Double(ownLanes) * least, keys: laneKeys)
      return
    }
    let layout = Codec<B>.parameterLayout(run.trainedTokenizer)
    addWeights(
      "weights, their moments and averages", of: run.tokenizer, layout: layout,
      blocks: Self.blocks(run))
    addExchange(layout, lanes: training.lanes, processes: processes)
    let model = TokenizerModel(run)
    let plans = model.variants.map { model.record($0).plan(model.batch($0), on: backend) }
      .sorted { $0.arenaWords > $1.arenaWords }
    let arena = plans[0].arenaWords
    let bytes = plans.enumerated().reduce(0.0) { sum, plan in
      sum
        + plan.element.bytes(
          lanes: ownLanes,
          borrowsArenas: plan.offset > 0 && plan.element.arenaWords <= arena)
    }
    add(lanes, bytes: bytes, keys: laneKeys)
    addReconstruction(
      run.tokenizer, height: size, width: size, lanes: ownLanes, on: backend, lender: arena)
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
    guard !run.quantizer.isContinuous else { return }
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
