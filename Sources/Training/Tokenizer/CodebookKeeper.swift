import Autodiff
import Codebooks
import Datasets
import Execution
import Randomness
import Tokenizers

/// Does to codebooks what is done between steps: codes follow the moving averages of their vectors,
/// and unused codes are replaced by vectors of the batch (dead-code revival).
///
/// Each codebook of a product or residual quantizer is kept by itself, with its own part of the vectors
/// or what the codebooks before have left of them. Everything is computed from the tokens of the batch
/// in the order of its images.
final class CodebookKeeper<B: Backend>: TrainingCallback {
  /// Codes that were replaced after the last step.
  private(set) var revived = 0

  /// What takes the tokens of a batch.
  private let assignments: CodeAssignments
  private let run: RunConfiguration
  /// Whether a state tells nothing of these codebooks: codes that are replaced from here on have no past.
  private let isNew: Bool
  private let quantizer: QuantizerConfiguration
  private let upkeep: CodebookUpkeep
  private let codebooks: [CodebookMemory<B>]
  private let random: Generator
  /// The uses a batch of each code if all were used alike.
  private let share: Double
  private var moving: [MovingCodebook] = []

  /// Begins with the codebooks in memory; nil where a run asks for nothing between steps.
  ///
  /// - Parameter isNew: whether a resumed run begins with it.
  init?(_ run: RunConfiguration, _ codebooks: [CodebookMemory<B>], isNew: Bool = false) {
    guard let upkeep = run.upkeep, upkeep.isNeeded else { return nil }
    self.run = run
    self.isNew = isNew
    quantizer = run.quantizer
    self.upkeep = upkeep
    self.codebooks = codebooks
    random = Generator(seed: run.seed).split(named: "revival")
    let side = run.data.imageSize / run.model.downsampling
    let tokens = run.training.batchSize * side * side
    assignments = CodeAssignments(
      tokens: tokens, dimension: quantizer.codeDimension, depths: quantizer.depth)
    share = Double(tokens) / Double(quantizer.codebookSize)
    begin()
  }

  /// Starts over with the codebooks in memory, with uniform use assumed.
  func begin() {
    moving = codebooks.map {
      MovingCodebook(
        $0.read(), dimension: $0.dimension, uses: share, decay: upkeep.decay,
        epsilon: upkeep.epsilon, movesCodes: upkeep.learning == .ema)
    }
  }

  func readers(ofStep step: Int) -> [any ReplayReader] {
    run.defersQuantization(inStep: step) ? [] : [assignments]
  }

  func changesWeights(after step: Int) -> Bool {
    upkeep.reviveEvery > 0 && step.isMultiple(of: upkeep.reviveEvery)
  }

  /// Takes in the batch of a step, whose weights were updated.
  func didUpdate(step: Int) {
    revived = run.defersQuantization(inStep: step) ? 0 : update(step: step)
  }

  /// Likewise; returns how many codes were replaced.
  private func update(step: Int) -> Int {
    var inputs = CodebookInputs(quantizer, vectors: Array(assignments.vectors))
    var (random, revived) = (random.split(UInt64(step)), 0)
    for (depth, codebook) in codebooks.enumerated() {
      let before = inputs.nextDependsOnCodes ? codebook.read() : []
      moving[depth].add(inputs.vectors, codes: inputs.codes(in: assignments.indices))
      let replaced = revive(depth, step, of: inputs, &random)
      if moving[depth].movesCodes {
        codebook.write(moving[depth].codebook)
      } else if !replaced.isEmpty {
        codebook.replace(replaced)
      }
      revived += replaced.count
      inputs.advance(past: before, indices: assignments.indices)
    }
    return revived
  }

  /// Gives a codebook's unused codes the place of vectors of the batch, no vector to two of them.
  ///
  /// Where there are more such codes than vectors, those with the highest numbers wait.
  private func revive(
    _ depth: Int, _ step: Int, of inputs: CodebookInputs, _ random: inout Generator
  ) -> [(code: Int, vector: [Float])] {
    guard changesWeights(after: step) else { return [] }
    let uses = moving[depth].uses
    let unused = uses.indices.filter { uses[$0] < upkeep.reviveBelow * share }
    guard !unused.isEmpty else { return [] }
    let dimension = inputs.dimension
    let order = random.permutation(of: inputs.vectors.count / dimension)
    let revived = zip(unused, order).map { code, token in
      (code: code, vector: Array(inputs.vectors[token * dimension..<(token + 1) * dimension]))
    }
    for (code, vector) in revived { moving[depth].replace(code, by: vector, uses: share) }
    return revived
  }

  // MARK: Checkpoints

  /// The numbers that a continuation needs.
  var numbers: [String: [Double]] {
    Dictionary(
      uniqueKeysWithValues: moving.indices.map { (name(of: $0), moving[$0].state) })
  }

  func restore(_ numbers: [String: [Double]]) -> String? {
    if isNew { return nil }
    for depth in moving.indices where !moving[depth].restore(numbers[name(of: depth)] ?? []) {
      return name(of: depth)
    }
    return nil
  }

  /// The name of a codebook's numbers in a checkpoint.
  private func name(of depth: Int) -> String {
    moving.count == 1 ? "codebook" : "codebook.\(depth)"
  }
}

/// A codebook among the parameters, with all that is kept of it.
struct CodebookMemory<B: Backend> {
  /// Its entries, K.
  let count: Int
  /// Numbers in an entry, d.
  let dimension: Int

  private let parameters: ParameterMemory<B>
  private let index: Int
  private let averages: IterateAverages<B>

  /// The codebook of a name.
  ///
  /// - Parameter averages: the averages of the weights that are kept.
  init(_ name: String, in parameters: ParameterMemory<B>, averages: IterateAverages<B>) {
    guard let index = parameters.layout.index(of: name) else {
      preconditionFailure("a quantizer's codebooks are parameters, and \(name) is none")
    }
    let shape = parameters.layout.parameters[index].shape
    (count, dimension) = (shape[0], shape[1])
    self.parameters = parameters
    self.index = index
    self.averages = averages
  }

  /// The codes, `[K, d]`.
  func read() -> [Float] { parameters.read(parameter: index) }

  /// Replaces the codes, and nothing that is kept of them.
  func write(_ codes: [Float]) { parameters.write(codes, toParameter: index) }

  /// Puts vectors in the place of codes, as if they had always been there: the optimizer's moments of
  /// these codes are cleared, and averages of the weights hold the vectors.
  func replace(_ codes: [(code: Int, vector: [Float])]) {
    replace(codes, in: .values)
    guard parameters.layout.parameters[index].isTrained else { return }
    let zero = [Float](repeating: 0, count: dimension)
    let cleared = codes.map { (code: $0.code, vector: zero) }
    for block in [ParameterBlock.firstMoment, .secondMoment] { replace(cleared, in: block) }
    for kind in averages.kinds {
      let blocks = averages.blocks(of: kind)
      replace(codes, in: blocks.average)
      replace(cleared, in: blocks.rest)
    }
  }

  /// Puts vectors in the place of all codes likewise.
  func replaceAll(_ codes: [Float]) {
    replace(
      (0..<count).map {
        ($0, Array(codes[$0 * dimension..<($0 + 1) * dimension]))
      })
  }

  private func replace(_ codes: [(code: Int, vector: [Float])], in block: ParameterBlock) {
    guard parameters.hasMemory(block) else { return }
    var numbers = parameters.read(parameter: index, of: block)
    for (code, vector) in codes {
      let start = code * dimension
      numbers.replaceSubrange(start..<start + vector.count, with: vector)
    }
    parameters.write(numbers, toParameter: index, of: block)
  }
}

/// The vectors that the codebooks of a quantizer are compared with, one codebook after another: of a
/// product quantizer the channels of each group, of a residual one what the codebooks before have left.
struct CodebookInputs {
  /// What the codebook at hand is compared with, `[tokens, dimension]`.
  private(set) var vectors: [Float]
  /// Channels of one of them.
  let dimension: Int
  /// The codebook at hand, counted from 0.
  private(set) var depth = 0

  private let quantizer: QuantizerConfiguration
  /// All channels of all vectors.
  private let whole: [Float]

  /// Begins with the first codebook.
  ///
  /// - Parameter vectors: `[tokens, d]`: see ``Quantized/vectors``.
  init(_ quantizer: QuantizerConfiguration, vectors whole: [Float]) {
    self.quantizer = quantizer
    self.whole = whole
    if case .groups(let width) = quantizer.chosen.arrangement {
      dimension = width
      vectors = []
      takeGroup()
    } else {
      dimension = quantizer.codeDimension
      vectors = whole
    }
  }

  /// Whether they are what codebooks before have left.
  var areRemainders: Bool {
    isResidual && depth > 0
  }

  /// Whether the next codebook's vectors follow from the codes that the one at hand has for them.
  var nextDependsOnCodes: Bool {
    isResidual && depth + 1 < quantizer.depth
  }

  private var isResidual: Bool { quantizer.chosen.arrangement == .residual }

  /// Of tokens `[tokens, depths]`, the indices into the codebook at hand, `[tokens]`.
  func codes(in indices: some RandomAccessCollection<Int32>) -> [Int32] {
    stride(from: depth, to: indices.count, by: quantizer.depth).map {
      indices[indices.index(indices.startIndex, offsetBy: $0)]
    }
  }

  /// Goes on to the next codebook.
  ///
  /// - Parameters:
  ///   - codes: the codebook at hand `[K, dimension]`.
  ///   - indices: the tokens of the vectors, `[tokens, depths]`.
  ///   Neither counts where ``nextDependsOnCodes`` does not hold.
  mutating func advance(past codes: [Float], indices: some RandomAccessCollection<Int32>) {
    if nextDependsOnCodes {
      subtract(codes, indices)
      depth += 1
    } else {
      depth += 1
      if case .groups = quantizer.chosen.arrangement, depth < quantizer.depth { takeGroup() }
    }
  }

  private mutating func subtract(
    _ codes: [Float], _ indices: some RandomAccessCollection<Int32>
  ) {
    let chosen = self.codes(in: indices)
    precondition(chosen.count * dimension == vectors.count, "tokens of the vectors")
    for (token, index) in chosen.enumerated() {
      let (row, code) = (token * dimension, Int(index) * dimension)
      for channel in 0..<dimension { vectors[row + channel] -= codes[code + channel] }
    }
  }

  private mutating func takeGroup() {
    vectors = stride(from: depth * dimension, to: whole.count, by: quantizer.codeDimension).flatMap
    {
      whole[$0..<$0 + dimension]
    }
  }
}
