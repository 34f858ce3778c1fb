import Execution
import TokenFiles

/// A hash of a model's weights: of each tensor's numbers as a checkpoint holds them, and then of
/// these hashes, in the order in which the model declares its parameters.
///
/// So it does not depend on how weights lie in memory or in which order a file holds them, and
/// whoever reads a checkpoint takes it on the way.
public struct WeightsHash: Equatable, Sendable {
  private var tensors: [UInt64] = []

  /// The hash of no weights.
  init() {}

  /// The hash of weights in memory.
  public init<B: Backend>(_ parameters: ParameterMemory<B>) {
    for index in parameters.layout.parameters.indices {
      parameters.read(parameter: index).withUnsafeBufferPointer { add($0) }
    }
  }

  /// Goes on with the next parameter's numbers, in the order of a checkpoint.
  mutating func add(_ numbers: UnsafeBufferPointer<Float>) {
    tensors.append(Fingerprint.hash(UnsafeRawBufferPointer(numbers)))
  }

  /// All in 64 bits.
  public var value: UInt64 { Fingerprint.hash(of: tensors) }
}
