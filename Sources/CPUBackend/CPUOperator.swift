import Autodiff
import Execution
import Forms
import Kernels

/// An operation that the CPU can execute: what joins it to its kernel.
///
/// A conformance may stand in another package, beside an operation that is declared there.
public protocol CPUOperator: Operator {
  /// The scratch words that the kernel needs.
  func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int

  /// Computes the outputs from the inputs: the operands' share of them.
  func execute(_ operands: Operands)

  /// The phases in which several threads execute an instruction together, each its share; 0, unless
  /// something else is said, where one thread does all of it.
  func phases(of instruction: Instruction, on backend: CPUBackend) -> Int

  /// What executes an instruction, again and again: `execute`, unless there is something to find out
  /// once.
  func kernel(for instruction: Instruction) -> @Sendable (Operands) -> Void
}

extension CPUOperator {
  /// None.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int { 0 }

  /// None.
  public func phases(of instruction: Instruction, on backend: CPUBackend) -> Int { 0 }

  /// `execute`.
  public func kernel(for instruction: Instruction) -> @Sendable (Operands) -> Void {
    { execute($0) }
  }
}

/// The pointers of one instruction in the memories of one lane.
public struct Operands: Sendable {
  /// The backend that executes.
  public let backend: CPUBackend
  /// What is to be computed.
  public fileprivate(set) var share = WorkShare.whole
  private let instruction: Instruction
  private let memories: Memories<HostMemory>

  init(_ instruction: Instruction, _ memories: Memories<HostMemory>, on backend: CPUBackend) {
    self.instruction = instruction
    self.memories = memories
    self.backend = backend
  }

  /// The number of inputs.
  public var inputCount: Int { instruction.inputs.count }

  /// The extents of an input.
  public func shape(ofInput index: Int) -> Shape { instruction.inputs[index].shape }

  /// The extents of an output.
  public func shape(ofOutput index: Int) -> Shape { instruction.outputs[index].shape }

  /// The elements of the first output.
  public var count: Int { instruction.outputs[0].shape.count }

  /// The numbers of an input.
  public func input(_ index: Int) -> UnsafePointer<Float> {
    UnsafePointer(floats(instruction.inputs[index]))
  }

  /// The indices of an input.
  public func inputIndices(_ index: Int) -> UnsafePointer<Int32> {
    UnsafePointer(indices(instruction.inputs[index]))
  }

  /// The place of an output that is numbers.
  public func output(_ index: Int) -> UnsafeMutablePointer<Float> {
    floats(instruction.outputs[index])
  }

  /// The place of an output that is indices.
  public func outputIndices(_ index: Int) -> UnsafeMutablePointer<Int32> {
    indices(instruction.outputs[index])
  }

  /// The scratch words, of which there are as many as the operation asked for.
  public var workspace: UnsafeMutablePointer<Float> {
    guard let place = instruction.workspace, let own = memories.workspace else {
      return sharedWorkspace
    }
    return own.floats(at: 0, count: place.shape.count)
  }

  /// Those of the first share: where one phase leaves something for the next.
  public var sharedWorkspace: UnsafeMutablePointer<Float> {
    instruction.workspace.map(floats) ?? output(0)
  }

  /// Whether an output is added to what is there.
  public func accumulates(_ index: Int) -> Bool {
    instruction.outputs[index].region == .gradients
  }

  private func floats(_ operand: Operand) -> UnsafeMutablePointer<Float> {
    memories[operand.region].floats(at: operand.offset, count: operand.shape.count)
  }

  private func indices(_ operand: Operand) -> UnsafeMutablePointer<Int32> {
    memories[operand.region].indices(at: operand.offset, count: operand.shape.count)
  }
}

extension CPUBackend {
  /// The scratch words that an operation's kernel needs.
  public func workspace(for operation: any Operator, inputs: [Shape], outputs: [Shape]) -> Int {
    (operation as? any CPUOperator)?.workspace(inputs: inputs, outputs: outputs, on: self) ?? 0
  }

  /// What executes an instruction in the memories of a lane; the program ends where the CPU has no
  /// kernel for its operation.
  public func kernel(for instruction: Instruction, in memories: Memories<HostMemory>) -> Kernel {
    guard let operation = instruction.operation as? any CPUOperator else {
      fatalError(
        "\(instruction.layer): the CPU has no kernel for \(instruction.operation.name); have "
          + "\(type(of: instruction.operation)) conform to CPUOperator")
    }
    let kernel = operation.kernel(for: instruction)
    let operands = Operands(instruction, memories, on: self)
    return Kernel(phases: operation.phases(of: instruction, on: self)) { share in
      var operands = operands
      operands.share = share
      kernel(operands)
    }
  }
}

// MARK: - From the parameters of operations to those of kernels

extension CPUBackend {
  /// The extents of a convolution that the kernels need.
  func geometry(_ rule: Convolution, image: Shape, filter: Shape) -> ConvolutionGeometry {
    var geometry = ConvolutionGeometry(
      batch: image[0], height: image[1], width: image[2], inputs: filter[2], outputs: filter[3],
      kernelHeight: filter[0], kernelWidth: filter[1], stride: rule.stride, top: rule.padding.top,
      bottom: rule.padding.bottom, left: rule.padding.left, right: rule.padding.right)
    geometry.algorithm = convolutions
    return geometry
  }
}

extension GroupNormalization {
  /// The extents that the kernels need, for an image `[N, ..., C]`.
  func geometry(_ image: Shape) -> GroupNormalizationGeometry {
    GroupNormalizationGeometry(
      batch: image[0], pixels: image.rows / image[0], channels: image.channels, groups: groups,
      epsilon: epsilon, activation: activation.kernel)
  }
}

extension GroupNormalization.Fused {
  var kernel: FusedActivation {
    switch self {
    case .identity: return .none
    case .silu: return .silu
    }
  }
}
