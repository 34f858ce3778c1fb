/// The sizes of a convolution's kernel, `[height, width, inputs, outputs]` in memory.
public struct KernelShape: Sendable, Equatable {
  /// Rows of the window.
  public let height: Int
  /// Columns of the window.
  public let width: Int
  /// Input channels.
  public let inputs: Int
  /// Output channels.
  public let outputs: Int

  /// A kernel's sizes.
  public init(height: Int, width: Int, inputs: Int, outputs: Int) {
    (self.height, self.width, self.inputs, self.outputs) = (height, width, inputs, outputs)
  }

  /// The number of weights.
  public var count: Int { height * width * inputs * outputs }
}

/// How a kernel becomes a matrix.
///
/// A product of two matrices is then a sequence of two convolutions, one of which has a window of
/// 1 x 1: of `outputs x r` and `r x (height width inputs)` the wide window is first, of
/// `(height width outputs) x r` and `r x inputs` it is second.
public enum KernelUnfolding: Sendable, CaseIterable {
  /// A row for each output channel, `[outputs, height * width * inputs]`: inputs vary fastest.
  case byOutput
  /// A column for each input channel, `[height * width * outputs, inputs]`: outputs vary fastest.
  case byInput
}

extension Matrix {
  /// The matrix of a kernel `[height, width, inputs, outputs]`.
  ///
  /// - Precondition: the kernel has as many weights as its shape says.
  public init(kernel: [Float], shape: KernelShape, unfolding: KernelUnfolding) {
    precondition(kernel.count == shape.count, "a kernel of \(shape)")
    switch unfolding {
    case .byOutput:
      self.init(rows: shape.outputs, columns: kernel.count / max(1, shape.outputs)) {
        Double(kernel[$1 * shape.outputs + $0])
      }
    case .byInput:
      self.init(rows: kernel.count / max(1, shape.inputs), columns: shape.inputs) {
        let (place, output) = $0.quotientAndRemainder(dividingBy: shape.outputs)
        return Double(kernel[(place * shape.inputs + $1) * shape.outputs + output])
      }
    }
  }

  /// The kernel `[height, width, inputs, outputs]` of which this is the matrix.
  ///
  /// - Precondition: the matrix has the size that shape and unfolding say.
  public func kernel(shape: KernelShape, unfolding: KernelUnfolding) -> [Float] {
    let channels = unfolding == .byOutput ? (rows, shape.outputs) : (columns, shape.inputs)
    precondition(
      channels.0 == channels.1 && elements.count == shape.count, "a matrix of a kernel of \(shape)")
    var kernel = [Float](repeating: 0, count: shape.count)
    for row in 0..<rows {
      for column in 0..<columns {
        switch unfolding {
        case .byOutput:
          kernel[column * shape.outputs + row] = Float(self[row, column])
        case .byInput:
          let (place, output) = row.quotientAndRemainder(dividingBy: shape.outputs)
          kernel[(place * shape.inputs + column) * shape.outputs + output] =
            Float(self[row, column])
        }
      }
    }
    return kernel
  }
}
