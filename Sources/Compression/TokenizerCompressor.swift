import Autodiff
import Evaluation
import Execution
import Imaging
import Inference
import LowRank
import Tokenizers

/// Makes a tokenizer smaller, by what given images lose.
///
/// Each part is tried at several sizes by itself: how long it takes is measured on the device, and how much
/// the squared error of the images grows by putting the reduced weights in the place of the whole ones.
public final class TokenizerCompressor<B: Backend> {
  private let configuration: TokenizerConfiguration
  private let parameters: ParameterMemory<B>
  private let codec: Codec<B>
  private let images: [Image]
  private let layers: [CompressibleLayer]
  private let graph: Graph
  private let weights: [String: [Float]]
  private let clock: LayerClock<B>

  /// Rows of activations that channels are chosen by, about.
  private static var rows: Int { 8192 }
  /// Images that each part is tried on alone: hundreds of trials want no more, and what is chosen in the
  /// end is measured on all.
  private static var trialImages: Int { 16 }

  /// A compressor of a tokenizer whose weights may be changed meanwhile; they are put back.
  ///
  /// - Parameter images: squares of the tokenizer's size; empty where only energies are asked for.
  public init(
    _ configuration: TokenizerConfiguration, imageSize: Int, parameters: ParameterMemory<B>,
    codec: Codec<B>, images: [Image]
  ) {
    self.configuration = configuration
    self.parameters = parameters
    self.codec = codec
    self.images = images
    graph = Graph()
    let tokenizer = Tokenizer(configuration, in: Scope(graph))
    _ = tokenizer(graph.input("images", [1, imageSize, imageSize, 3]))
    layers = CompressibleLayer.all(in: graph)
    weights = parameters.tensors
    clock = LayerClock(on: parameters.backend)
  }

  /// Makes it smaller.
  ///
  /// - Parameters:
  ///   - method: how.
  ///   - goal: how far.
  ///   - parts: what of it.
  ///   - progress: called with the number of measurements that are done and of all; may throw to end the
  ///     work.
  public func compress(
    _ method: CompressionMethod, to goal: CompressionGoal,
    parts: Set<TokenizerPart> = Set(TokenizerPart.allCases),
    progress: (_ done: Int, _ all: Int) throws -> Void = { _, _ in }
  ) throws -> CompressedModel {
    let families = try families(method).filter { family in
      parts.contains(TokenizerPart(ofParameter: family[0].name))
    }
    if case .energy(let share) = goal {
      return try CompressedModel(
        families.compactMap { family in
          family.chosen(keepingEnergy: share).map { ($0.reduction, $0.size, nil) }
        }, clock: clock)
    }
    let budget: CompressionGoal.Budget
    if case .share(_, let asked) = goal { budget = asked } else { budget = .time }
    let trials = try trials(of: families, budget, progress)
    let stage = try stage(of: trials, reaching: goal, budget)
    guard stage > 0 else {
      throw CompressionError.nothingGained(
        reason: "no part becomes cheaper within what was asked for. Allow a larger loss, or use "
          + "another --method")
    }
    return try CompressedModel(trials.selected(stage), clock: clock)
  }

  // MARK: Trials

  /// What each part costs and loses at several sizes, and the order to take them in.
  private struct Trials {
    /// What was tried of each part.
    var tried: [[(reduction: any Reduction, size: Int)]] = []
    /// What each part costs as it is.
    var whole: [Double] = []
    /// The squared error of the whole model on the images of the trials.
    let baseline: Double
    var path = CompressionPath([])

    /// The parts that are smaller at a stage of the path, with what each loses alone.
    func selected(_ stage: Int) -> [(reduction: any Reduction, size: Int, loss: Double?)] {
      path.stages[stage].sorted { $0.key < $1.key }.map { part, choice in
        let (reduction, size) = tried[part][choice.reduction!]
        return (
          reduction, size, TokenizerCompressor.decibels(from: baseline, adding: choice.error)
        )
      }
    }
  }

  /// Tries every size of every part alone, if it makes the part cheaper.
  private func trials(
    of families: [[any Reduction]], _ budget: CompressionGoal.Budget,
    _ progress: (_ done: Int, _ all: Int) throws -> Void
  ) throws -> Trials {
    let count = min(Self.trialImages, images.count)
    let sample = (0..<count).map { images[$0 * images.count / count] }
    var trials = Trials(baseline: try codec.meanSquaredError(of: sample))
    var choices: [[Choice]] = []
    for family in families {
      let whole = value(clock.cost(family[0], size: nil), budget)
      var tried: [(reduction: any Reduction, size: Int)] = []
      var costs = [Choice(reduction: nil, cost: whole, error: 0)]
      for reduction in family {
        for size in reduction.sizes {
          let reduced = value(clock.cost(reduction, size: size), budget)
          // Less than that is noise, and a layer more is a layer more.
          guard reduced < 0.97 * whole else { continue }
          costs.append(Choice(reduction: tried.count, size: size, cost: reduced, error: 0))
          tried.append((reduction, size))
        }
      }
      trials.whole.append(whole)
      trials.tried.append(tried)
      choices.append(costs)
    }
    let all = choices.reduce(0) { $0 + $1.count - 1 }
    var done = 0
    for part in choices.indices {
      for index in choices[part].indices.dropFirst() {
        try progress(done, all)
        let error = try measured([trials.tried[part][index - 1]], on: sample)
        choices[part][index].error = error - trials.baseline
        done += 1
      }
    }
    try progress(all, all)
    trials.path = CompressionPath(choices)
    return trials
  }

  /// How far along the path a goal leads.
  private func stage(
    of trials: Trials, reaching goal: CompressionGoal, _ budget: CompressionGoal.Budget
  ) throws -> Int {
    switch goal {
    case .energy: preconditionFailure("an energy needs no path")
    case .share(let share, _):
      let total = try total(trials.whole.reduce(0, +), budget)
      // What is not reduced stays.
      let rest = total - trials.whole.reduce(0, +)
      if let stage = trials.path.stage(costing: share * total - rest, whole: trials.whole) {
        return stage
      }
      let last = trials.path.stages.last!
      let least = trials.whole.enumerated().reduce(rest) {
        $0 + (last[$1.offset]?.cost ?? $1.element)
      }
      throw CompressionError.outOfReach(asked: share, least: least / total)
    case .loss(let decibels):
      let whole = try codec.meanSquaredError(of: images)
      return try trials.path.last { stage in
        let parts = trials.selected(stage).map { ($0.reduction, $0.size) }
        let error = try measured(parts, on: images)
        return Self.decibels(from: whole, adding: error - whole) <= decibels
      }
    }
  }

  // MARK: Parts

  /// What may be reduced, each in one way or more.
  private func families(_ method: CompressionMethod) throws -> [[any Reduction]] {
    switch method {
    case .svd: return try Factorization.families(of: layers, weights)
    case .id:
      let blocks = layers.compactMap { layer in
        layer.name.hasSuffix(".conv2") ? String(layer.name.dropLast(".conv2".count)) : nil
      }
      let activations = activations(of: blocks)
      return try blocks.map { block in
        do throws(LowRankError) {
          return [
            try ChannelSelection(
              block, layers, groups: configuration.model.normGroups,
              activations: activations[block]!, weights: weights)
          ]
        } catch { throw CompressionError.layer(block, error) }
      }
    }
  }

  /// What conv2 of each block reads, rows spread over the images.
  private func activations(of blocks: [String]) -> [String: Matrix] {
    var outputs: [String: Tensor] = [:]
    for block in blocks {
      let layer = layers.first { $0.name == block + ".conv2" }!
      outputs[block] = graph.tensor(of: layer.source)
    }
    let plan = Plan(graph, outputs: outputs, on: parameters.backend)
    let session = Session(plan, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    let perImage = max(16, (Self.rows + images.count - 1) / images.count)
    var rows: [String: [Double]] = [:]
    let side = images[0].width * images[0].height * 3
    var pixels = [Float](repeating: 0, count: side)
    for image in images {
      pixels.withUnsafeMutableBufferPointer { image.write(normalizedTo: $0.baseAddress!) }
      session.feed = { replay in
        pixels.withUnsafeBufferPointer { replay.write("images", $0.baseAddress!) }
      }
      var read: [String: [Float]] = [:]
      session.collect = { replay in
        for block in blocks {
          var numbers = [Float](repeating: 0, count: replay.words(ofOutput: block))
          replay.read(block, intoWords: &numbers)
          read[block] = numbers
        }
      }
      session.run(items: 1)
      for (block, numbers) in read {
        let channels = outputs[block]!.shape.channels
        let places = numbers.count / channels
        let taken = min(perImage, places)
        for index in 0..<taken {
          let place = (2 * index + 1) * places / (2 * taken)
          rows[block, default: []] += numbers[place * channels..<(place + 1) * channels].map(
            Double.init)
        }
      }
    }
    var matrices: [String: Matrix] = [:]
    for (block, numbers) in rows {
      let columns = outputs[block]!.shape.channels
      matrices[block] = Matrix(
        rows: numbers.count / columns, columns: columns, elements: numbers)
    }
    return matrices
  }

  // MARK: Measuring

  private func value(_ cost: LayerCost, _ budget: CompressionGoal.Budget) -> Double {
    budget == .time ? cost.seconds : Double(cost.parameters)
  }

  /// What the whole model costs, with all that is not reduced; no less than its parts.
  private func total(_ parts: Double, _ budget: CompressionGoal.Budget) throws -> Double {
    guard budget == .time else { return Double(parameters.layout.count) }
    // One image on one thread, as the parts were measured.
    let plan = Plan(
      graph, outputs: ["images": graph.tensor(of: graph.nodes.last!.outputs[0])],
      on: parameters.backend)
    let session = Session(plan, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    let pixels = [Float](repeating: 0.1, count: session.plan.inputs["images"]!.shape.count)
    session.feed = { replay in
      pixels.withUnsafeBufferPointer { replay.write("images", $0.baseAddress!) }
    }
    session.run(items: 1)
    let clock = ContinuousClock()
    let seconds = (0..<5).map { _ in clock.measure { session.run(items: 1) } / .seconds(1) }.min()!
    return max(seconds, parts)
  }

  /// The squared error of images with reduced parts in the place of the whole ones.
  private func measured(
    _ parts: [(reduction: any Reduction, size: Int)], on images: [Image]
  ) throws -> Double {
    var changed: [String] = []
    defer { for name in changed { write(weights[name]!, to: name) } }
    for (reduction, size) in parts {
      do throws(LowRankError) {
        for (name, numbers) in try reduction.standIns(size: size) {
          write(numbers, to: name)
          changed.append(name)
        }
      } catch { throw CompressionError.layer(reduction.name, error) }
    }
    return try codec.meanSquaredError(of: images)
  }

  private func write(_ numbers: [Float], to name: String) {
    parameters.write(numbers, toParameter: parameters.layout.index(of: name)!)
  }

  /// How much PSNR falls where the squared error grows.
  private static func decibels(from error: Double, adding more: Double) -> Double {
    guard error > 0 else { return more > 0 ? .infinity : 0 }
    return PeakSignalToNoise.decibels(meanSquaredError: error)
      - PeakSignalToNoise.decibels(
        meanSquaredError: max(error + more, Double.leastNonzeroMagnitude))
  }
}

extension Codec {
  /// The mean squared error of images' reconstructions, of 8-bit values.
  public func meanSquaredError(of images: [Image]) throws(CodecError) -> Double {
    let sum = zip(images, try reconstruct(images)).reduce(0.0) {
      $0 + PeakSignalToNoise.meanSquaredError($1.0.pixels, $1.1.image.pixels)
    }
    return sum / Double(images.count)
  }
}
