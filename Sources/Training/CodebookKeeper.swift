import Codebooks
import Datasets
import Execution
import Randomness
import Tokenizers

/// Does to a codebook what is done between steps: codes follow the moving averages of their vectors,
/// and codes that nobody uses become vectors of the batch.
///
/// Everything is computed from the tokens of the batch in the order of its images.
final class CodebookKeeper<B: Backend> {
  /// The name of its numbers in a checkpoint.
  private static var stateName: String { "codebook" }

  /// What takes the tokens of a batch.
  let assignments: CodeAssignments

  private let upkeep: CodebookUpkeep
  private let codebook: CodebookMemory<B>
  private let random: Generator
  /// The uses a batch of each code if all were used alike.
  private let share: Double
  private var moving: MovingCodebook

  /// Begins with the codebook in memory; nil where a run asks for nothing between steps.
  ///
  /// - Parameter codebooks: those of the quantizer: one, where it can ask.
  init?(_ run: RunConfiguration, _ codebooks: [CodebookMemory<B>], random: Generator) {
    guard let upkeep = run.quantizer.upkeep, upkeep.isNeeded, let codebook = codebooks.first
    else { return nil }
    let side = run.data.imageSize / run.model.downsampling
    let tokens = run.training.batchSize * side * side
    assignments = CodeAssignments(tokens: tokens, dimension: codebook.dimension)
    self.upkeep = upkeep
    self.codebook = codebook
    self.random = random
    share = Double(tokens) / Double(codebook.count)
    moving = Self.begin(codebook, upkeep, uses: share)
  }

  private static func begin(
    _ codebook: CodebookMemory<B>, _ upkeep: CodebookUpkeep, uses: Double
  ) -> MovingCodebook {
    MovingCodebook(
      codebook.read(), dimension: codebook.dimension, uses: uses, decay: upkeep.decay,
      epsilon: upkeep.epsilon, movesCodes: upkeep.learning == .ema)
  }

  /// Begins anew with the codebook in memory, all of whose codes count as used alike.
  func begin() { moving = Self.begin(codebook, upkeep, uses: share) }

  /// Takes in the batch of a step, counted from 1, whose weights were updated.
  ///
  /// - Parameter counts: how often the batch used each code.
  /// - Returns: how many codes were replaced.
  func update(step: Int, counts: [Double]) -> Int {
    moving.add(
      counts: counts, vectors: UnsafeBufferPointer(assignments.vectors),
      codes: UnsafeBufferPointer(assignments.codes))
    let revived = revive(step)
    if moving.movesCodes {
      codebook.write(moving.codebook)
    } else if !revived.isEmpty {
      codebook.replace(revived)
    }
    return revived.count
  }

  /// Gives unused codes the place of vectors of the batch, no vector to two of them.
  ///
  /// Where there are more such codes than vectors, those with the highest numbers wait.
  private func revive(_ step: Int) -> [(code: Int, vector: [Float])] {
    guard upkeep.reviveEvery > 0, step.isMultiple(of: upkeep.reviveEvery) else { return [] }
    let unused = moving.uses.indices.filter { moving.uses[$0] < upkeep.reviveBelow * share }
    guard !unused.isEmpty else { return [] }
    var random = random.split(UInt64(step))
    let order = random.permutation(of: assignments.codes.count)
    let revived = zip(unused, order).map { ($0, Array(assignments.vector($1))) }
    for (code, vector) in revived { moving.replace(code, by: vector, uses: share) }
    return revived
  }

  // MARK: Checkpoints

  /// The numbers that a continuation needs.
  var numbers: [String: [Double]] { [Self.stateName: moving.state] }

  /// Takes the numbers of a checkpoint.
  ///
  /// - Returns: the name of one that is missing or wrong, if any is.
  func restore(_ numbers: [String: [Double]]) -> String? {
    moving.restore(numbers[Self.stateName] ?? []) ? nil : Self.stateName
  }
}
