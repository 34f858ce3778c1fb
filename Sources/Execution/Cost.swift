import Autodiff

/// Minimum cost of an instruction: arithmetic and memory traffic.
///
/// Over the seconds it took, these are the rates to hold against the machine's: an instruction
/// is done well where one of the two comes near its limit.
public struct Cost: Sendable, Hashable {
  /// Floating-point operations of the direct algorithm, two a multiply-add; 0 where the work is a
  /// pass over memory.
  ///
  /// A kernel that gets by with fewer shows a rate above what the processor can do: an effective
  /// one.
  public var operations: Int
  /// Bytes of the inputs that are read and of the outputs that are written, each once.
  ///
  /// What is added to is read and written. Scratch memory does not count.
  public var bytes: Int

  /// A cost in floating-point operations and bytes.
  public init(operations: Int = 0, bytes: Int = 0) {
    self.operations = operations
    self.bytes = bytes
  }

  /// Both costs together.
  public static func + (a: Cost, b: Cost) -> Cost {
    Cost(operations: a.operations + b.operations, bytes: a.bytes + b.bytes)
  }

  /// A cost so many times over.
  public static func * (cost: Cost, times: Int) -> Cost {
    Cost(operations: cost.operations * times, bytes: cost.bytes * times)
  }
}

extension Instruction {
  /// Minimum cost of executing this once.
  public var cost: Cost {
    let multiplyAdds = operation.multiplyAdds(
      inputs: inputs.map(\.shape), outputs: outputs.map(\.shape))
    let read = inputs.reduce(0) { $0 + $1.shape.count }
    let written = outputs.reduce(0) { $0 + $1.shape.count * ($1.region == .gradients ? 2 : 1) }
    return Cost(
      operations: 2 * multiplyAdds, bytes: (read + written) * MemoryLayout<Float>.stride)
  }

  /// The operation's name, with what tells its kernels apart: the extents and stride of a
  /// filter, the activation in the same pass.
  public var kind: String {
    operation.name + operation.variant(inputs: inputs.map(\.shape))
  }
}
