/// Sums the gradients of a session's lanes and moves the parameters, in parallel slices.
///
/// The slices are fixed by the layout of the parameters, so that the norm, and with it every
/// bit of the result, does not depend on how many threads there are.
public final class Updater<B: Backend>: IndexedWork, @unchecked Sendable {
  // Unchecked: slices do not overlap, and `update` returns when all are done.

  /// The words of a slice: 256 KiB, which fits in the second-level cache with its moments.
  static var sliceWords: Int { 1 << 16 }

  private let session: Session<B>
  private let slices: [(range: Range<Int>, decays: Bool)]
  private let gradients: [B.Memory]
  private var squares: [Double]
  private var phase = Phase.summing

  private enum Phase {
    case summing
    case updating(
      UpdateRule, gradientScale: Float, firstMoment: B.Memory, secondMoment: B.Memory)
  }

  /// An updater of the parameters of a session.
  public init(_ session: Session<B>) {
    self.session = session
    let layout = session.parameters.layout
    var slices: [(range: Range<Int>, decays: Bool)] = []
    for (range, decays) in [
      (0..<layout.decayedWords, true), (layout.decayedWords..<layout.trainedWords, false),
    ] {
      for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.sliceWords) {
        slices.append((start..<min(start + Self.sliceWords, range.upperBound), decays))
      }
    }
    self.slices = slices
    gradients = session.memories.map(\.gradients)
    squares = Array(repeating: 0, count: slices.count)
  }

  /// Sums the lanes' gradients.
  ///
  /// - Returns: the Euclidean norm of the sum.
  public func sumGradients() -> Double {
    phase = .summing
    session.run(self, count: slices.count, as: .summing)
    return squares.reduce(0, +).squareRoot()
  }

  /// Moves the parameters by one step, along the gradients that were summed.
  ///
  /// - Parameters:
  ///   - rule: the optimizer, with the numbers of this step.
  ///   - gradientScale: what the gradients are multiplied by first: less than 1 where they are
  ///     clipped.
  public func update(_ rule: UpdateRule, gradientScale: Float) {
    let parameters = session.parameters
    phase = .updating(
      rule, gradientScale: gradientScale, firstMoment: parameters[.firstMoment],
      secondMoment: parameters[.secondMoment])
    session.run(self, count: slices.count, as: .updating)
    parameters.didChange()
  }

  func perform(_ index: Int) {
    let (range, decays) = slices[index]
    switch phase {
    case .summing:
      session.backend.sum(gradients, range: range)
      let squares = session.backend.sumOfSquares(gradients[0], range: range)
      self.squares.withUnsafeMutableBufferPointer { $0[index] = squares }
    case .updating(let rule, let scale, let firstMoment, let secondMoment):
      session.backend.update(
        rule, range: range, decays: decays, gradientScale: scale,
        parameters: session.parameters.values, gradients: gradients[0], firstMoment: firstMoment,
        secondMoment: secondMoment)
    }
  }
}
