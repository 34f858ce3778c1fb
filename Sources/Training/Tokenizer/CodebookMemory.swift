import Autodiff
import Execution

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
