/// A tensor to be written: what the header says of it, before any byte is known.
public struct TensorDeclaration: Equatable, Sendable {
  /// The key in the file, unique within it.
  public let name: String
  /// The format of the numbers.
  public let type: ElementType
  /// The extents, outermost first; empty for a scalar.
  public let shape: [Int]

  /// Declares a tensor; the writer checks it against the others.
  public init(name: String, type: ElementType, shape: [Int]) {
    self.name = name
    self.type = type
    self.shape = shape
  }

  /// The bytes it takes, or nil where an extent is negative or the product overflows.
  public var byteCount: Int? {
    var total = type.byteCount
    for extent in shape {
      let (product, overflow) = total.multipliedReportingOverflow(by: extent)
      if extent < 0 || overflow { return nil }
      total = product
    }
    return total
  }
}

/// A tensor in a file: its name, type and shape, and where its bytes lie.
public struct TensorEntry: Equatable, Sendable {
  /// The key in the file.
  public let name: String
  /// The format of the numbers, little-endian in the file.
  public let type: ElementType
  /// The extents, outermost first (row-major); empty for a scalar.
  public let shape: [Int]
  /// Where the bytes lie, counted from the start of the data section.
  public let range: Range<Int>

  /// The product of the extents; 1 for a scalar.
  public var elementCount: Int { range.count / type.byteCount }
}
