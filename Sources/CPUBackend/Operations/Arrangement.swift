import Autodiff
import Execution
import Kernels

extension ChannelAffine: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    let rows = o.share.range(of: shape.rows)
    let place = rows.lowerBound * shape.channels
    scale.withUnsafeBufferPointer { scale in
      offset.withUnsafeBufferPointer { offset in
        Kernels.channelAffine(
          rows: rows.count, channels: shape.channels, o.input(0) + place,
          scale: scale.baseAddress!, offset: offset.baseAddress!, into: o.output(0) + place)
      }
    }
  }

  /// One.
  public func phases(of instruction: Instruction, on backend: CPUBackend) -> Int { 1 }
}

extension ChannelSlice: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    sliceChannels(
      rows: shape.rows, width: shape.channels, start: start, channels: channels, o.input(0),
      into: o.output(0))
  }
}

extension ChannelPlacement: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    fill(count: o.count, with: 0, into: o.output(0))
    placeChannels(
      rows: shape.rows, width: width, start: start, channels: shape.channels, o.input(0),
      into: o.output(0))
  }
}

extension ChannelConcatenation: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let (rows, width) = (o.shape(ofOutput: 0).rows, o.shape(ofOutput: 0).channels)
    var start = 0
    for index in 0..<o.inputCount {
      let channels = o.shape(ofInput: index).channels
      placeChannels(
        rows: rows, width: width, start: start, channels: channels, o.input(index),
        into: o.output(0))
      start += channels
    }
  }
}

extension Permutation: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) { kernel(of: o.shape(ofInput: 0))(o) }

  /// With strides that are found once.
  public func kernel(for instruction: Instruction) -> @Sendable (Operands) -> Void {
    kernel(of: instruction.inputs[0].shape)
  }

  private func kernel(of shape: Shape) -> @Sendable (Operands) -> Void {
    var strides = [Int](repeating: 1, count: shape.rank)
    for axis in (0..<max(0, shape.rank - 1)).reversed() {
      strides[axis] = strides[axis + 1] * shape[axis + 1]
    }
    let (counts, steps) = (order.map { shape[$0] }, order.map { strides[$0] })
    return { o in
      counts.withUnsafeBufferPointer { counts in
        steps.withUnsafeBufferPointer { steps in
          guard let first = counts.baseAddress, let step = steps.baseAddress else { return }
          permute(
            rank: counts.count, counts: first, strides: step, o.input(0), into: o.output(0))
        }
      }
    }
  }
}
