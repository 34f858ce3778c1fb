import Autodiff

/// Where each parameter lies in one contiguous block.
///
/// Parameters that decay come first and those that are not trained last, so that an optimizer is a
/// pass over two ranges. Gradients and moments are laid out alike.
public struct ParameterLayout: Sendable, Equatable {
  /// The parameters, in the order of their declaration.
  public let parameters: [Parameter]
  /// The first word of each.
  public let offsets: [Int]
  /// The words that decay: `0..<decayedWords`.
  public let decayedWords: Int
  /// The words that are trained: `0..<trainedWords`.
  public let trainedWords: Int
  /// All words.
  public let words: Int

  /// Lays parameters out.
  public init(_ parameters: [Parameter]) {
    var offsets = [Int](repeating: 0, count: parameters.count)
    var next = 0
    func place(_ belongs: (Parameter) -> Bool) {
      for (index, parameter) in parameters.enumerated() where belongs(parameter) {
        offsets[index] = next
        next = aligned(next + parameter.shape.count)
      }
    }
    place { $0.isTrained && $0.decays }
    decayedWords = next
    place { $0.isTrained && !$0.decays }
    trainedWords = next
    place { !$0.isTrained }
    self.parameters = parameters
    self.offsets = offsets
    words = next
  }

  /// The number of trained numbers, without the gaps of alignment.
  public var count: Int {
    parameters.reduce(0) { $0 + ($1.isTrained ? $1.shape.count : 0) }
  }

  /// The number of all numbers, trained or not.
  public var totalCount: Int { parameters.reduce(0) { $0 + $1.shape.count } }

  /// The parameters that lie in a range of words, or parts of them.
  func pieces(of range: Range<Int>) -> [(parameter: Int, range: Range<Int>)] {
    parameters.indices.compactMap { index in
      let words = offsets[index]..<offsets[index] + parameters[index].shape.count
      let piece = words.clamped(to: range)
      return piece.isEmpty ? nil : (index, piece)
    }
  }

  /// The place of a parameter by name.
  public func index(of name: String) -> Int? {
    parameters.firstIndex { $0.name == name }
  }
}

/// The next multiple of 16 words: a cache line, and the widest vector.
func aligned(_ words: Int) -> Int { (words + 15) & ~15 }

/// The contents of a memory block laid out like the parameters.
public struct ParameterBlock: Hashable, Sendable {
  /// The name, which checkpoints put before the names of its tensors.
  public let name: String

  private init(_ name: String) { self.name = name }

  /// The parameters themselves.
  public static let values = ParameterBlock("parameters")
  /// Adam's first moment, or the velocity of SGD.
  public static let firstMoment = ParameterBlock("moment1")
  /// Adam's second moment.
  public static let secondMoment = ParameterBlock("moment2")
  /// The parameters before the first step.
  public static let origin = ParameterBlock("origin")
  /// The gradient of the step before.
  public static let previousGradient = ParameterBlock("previousGradient")
  /// The parameters before an update, towards which averages have yet to move.
  public static let held = ParameterBlock("held")
  /// The parameters before the update that is being made, where no lane has room for them.
  static let before = ParameterBlock("before")

  /// An average of the parameters over steps, rounded to floats.
  public static func average(_ name: String) -> ParameterBlock { ParameterBlock("average." + name) }

  /// The low-order part of an average (double-float).
  public static func averageRest(_ name: String) -> ParameterBlock {
    ParameterBlock("averageRest." + name)
  }

  /// The blocks of every training run.
  public static let trained = [values, firstMoment, secondMoment]
}

// MARK: - The order of a checkpoint

/// Between the order of a checkpoint and that of memory.
///
/// A convolution's filter lies as `[out, in, kh kw]` in a file and as `[kh kw, in, out]` in memory:
///
///     memory[(t I + i) O + o] = file[(o I + i) T + t],   T = kh kw, I = in, O = out
///
/// A linear layer is the case T = 1. Sixteen output channels go together, so that memory is
/// written (or read) a cache line at a time while the file is read (or written) in sixteen streams.
extension Parameter {
  /// Copies numbers from the order of a checkpoint into that of memory.
  func copy(inFileOrder file: UnsafePointer<Float>, toMemory memory: UnsafeMutablePointer<Float>) {
    guard let (taps, inputs, outputs) = transposed else {
      memory.update(from: file, count: shape.count)
      return
    }
    let row = inputs * taps
    eachBlock(taps, inputs, outputs) { input, tap, first, count in
      let source = file + first * row + input * taps + tap
      let target = memory + (tap * inputs + input) * outputs + first
      for output in 0..<count { target[output] = source[output * row] }
    }
  }

  /// Copies numbers from the order of memory into that of a checkpoint.
  func copy(inMemoryOrder memory: UnsafePointer<Float>, toFile file: UnsafeMutablePointer<Float>) {
    guard let (taps, inputs, outputs) = transposed else {
      file.update(from: memory, count: shape.count)
      return
    }
    let row = inputs * taps
    eachBlock(taps, inputs, outputs) { input, tap, first, count in
      let source = memory + (tap * inputs + input) * outputs + first
      let target = file + first * row + input * taps + tap
      for output in 0..<count { target[output * row] = source[output] }
    }
  }

  /// Taps, input and output channels, where the two orders differ.
  private var transposed: (taps: Int, inputs: Int, outputs: Int)? {
    switch fileLayout {
    case .same: return nil
    case .linear, .convolution: return (shape[0] * shape[1], shape[2], shape[3])
    }
  }

  @inline(__always)
  private func eachBlock(
    _ taps: Int, _ inputs: Int, _ outputs: Int,
    _ body: (_ input: Int, _ tap: Int, _ firstOutput: Int, _ count: Int) -> Void
  ) {
    for first in stride(from: 0, to: outputs, by: 16) {
      let count = min(16, outputs - first)
      for input in 0..<inputs {
        for tap in 0..<taps { body(input, tap, first, count) }
      }
    }
  }
}
