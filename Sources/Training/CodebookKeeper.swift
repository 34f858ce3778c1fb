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
final class CodebookKeeper<B: Backend> {
  /// What takes the tokens of a batch.
  let assignments: CodeAssignments

  private let quantizer: QuantizerConfiguration
  private let upkeep: CodebookUpkeep
  private let codebooks: [CodebookMemory<B>]
  private let random: Generator
  /// The uses a batch of each code if all were used alike.
  private let share: Double
  private var moving: [MovingCodebook] = []

  /// Begins with the codebooks in memory; nil where a run asks for nothing between steps.
  init?(_ run: RunConfiguration, _ codebooks: [CodebookMemory<B>], random: Generator) {
    guard let upkeep = run.quantizer.upkeep, upkeep.isNeeded else { return nil }
    quantizer = run.quantizer
    self.upkeep = upkeep
    self.codebooks = codebooks
    self.random = random
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

  /// Takes in the batch of a step, counted from 1, whose weights were updated.
  ///
  /// - Returns: how many codes were replaced.
  func update(step: Int) -> Int {
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
    guard upkeep.reviveEvery > 0, step.isMultiple(of: upkeep.reviveEvery) else { return [] }
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

  /// Takes the numbers of a checkpoint.
  ///
  /// - Returns: the name of one that is missing or wrong, if any is.
  func restore(_ numbers: [String: [Double]]) -> String? {
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
