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
