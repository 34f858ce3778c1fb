import Autodiff
import Execution
import Tokenizers

/// The codebook among the parameters, with all that is kept of it.
struct CodebookMemory<B: Backend> {
  /// What the codebook is, as vector quantization has it.
  let configuration: VectorConfiguration

  private let parameters: ParameterMemory<B>
  private let index: Int
  /// The averages of the weights that are kept, and what their floats leave out.
  private let averages: [(average: ParameterBlock, rest: ParameterBlock)]

  /// The codebook of a quantizer that has one trained entry by entry; else nil.
  ///
  /// - Parameter averages: the averages of the weights that are kept.
  init?(
    _ quantizer: QuantizerConfiguration, _ parameters: ParameterMemory<B>, averages: [AverageKind]
  ) {
    guard let configuration = quantizer.trainedCodebook,
      let name = Tokenizer.codebookName(quantizer), let index = parameters.layout.index(of: name)
    else { return nil }
    self.configuration = configuration
    self.parameters = parameters
    self.index = index
    self.averages = averages.map { (.average($0.rawValue), .averageRest($0.rawValue)) }
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
    let zero = [Float](repeating: 0, count: configuration.codeDimension)
    let cleared = codes.map { (code: $0.code, vector: zero) }
    for block in [ParameterBlock.firstMoment, .secondMoment] { replace(cleared, in: block) }
    for block in averages {
      replace(codes, in: block.average)
      replace(cleared, in: block.rest)
    }
  }

  /// Puts vectors in the place of all codes likewise.
  func replaceAll(_ codes: [Float]) {
    let dimension = configuration.codeDimension
    replace(
      (0..<configuration.codebookSize).map {
        ($0, Array(codes[$0 * dimension..<($0 + 1) * dimension]))
      })
  }

  private func replace(_ codes: [(code: Int, vector: [Float])], in block: ParameterBlock) {
    guard parameters.hasMemory(block) else { return }
    var numbers = parameters.read(parameter: index, of: block)
    for (code, vector) in codes {
      let start = code * configuration.codeDimension
      numbers.replaceSubrange(start..<start + vector.count, with: vector)
    }
    parameters.write(numbers, toParameter: index, of: block)
  }
}
