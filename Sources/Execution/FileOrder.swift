import Autodiff

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
