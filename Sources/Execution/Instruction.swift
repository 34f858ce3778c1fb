import Autodiff

/// One step of a plan: an operation, and where its inputs and outputs lie.
public struct Instruction: Sendable {
  /// The operation.
  public let operation: any Operator
  /// Where the inputs lie.
  public let inputs: [Operand]
  /// Where the outputs lie; those in gradient memory are added to what is there.
  public let outputs: [Operand]
  /// Scratch words for the kernel, if it asked for any.
  public let workspace: Operand?
  /// The path of the layer that the operation belongs to.
  public let layer: String
}

/// A place in memory, with the shape of what lies there.
public struct Operand: Sendable, Hashable {
  /// Which memory.
  public let region: Region
  /// The first word, 4 bytes each.
  public let offset: Int
  /// The extents.
  public let shape: Shape
  /// The element type.
  public let type: ElementType
}

/// The memories that a replay touches.
public enum Region: String, Sendable, Hashable, CaseIterable {
  /// The parameters: shared by all lanes, read only during a replay.
  case parameters
  /// Depends only on parameters: computed once per update, shared by all lanes.
  case shared
  /// The lane's own values.
  case arena
  /// The lane's own sums of parameter gradients.
  case gradients
}
