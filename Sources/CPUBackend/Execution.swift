import Autodiff
import Execution
import Kernels

extension CPUBackend {
  /// Executes one instruction: the one place that joins operations to kernels.
  public func execute(_ instruction: Instruction, in memories: Memories<HostMemory>) {
    let operands = Operands(instruction, memories)
    let (x, y) = (operands.input(0), operands.output(0))
    let shape = instruction.inputs.first?.shape ?? .scalar
    let count = instruction.outputs[0].shape.count

    switch instruction.operation {
    // Layers.
    case .convolution(let convolution):
      convolve(
        geometry(convolution, image: shape, filter: instruction.inputs[1].shape), image: x,
        filter: operands.input(1), bias: instruction.inputs.count > 2 ? operands.input(2) : nil,
        into: y, workspace: operands.workspace)
    case .convolutionImageGradient(let gradient):
      convolveImageGradient(
        geometry(
          gradient.convolution, image: gradient.image, filter: instruction.inputs[1].shape),
        outputGradient: x, filter: operands.input(1), into: y, workspace: operands.workspace)
    case .convolutionFilterGradient(let gradient):
      convolveFilterGradient(
        geometry(
          gradient.convolution, image: instruction.inputs[1].shape, filter: gradient.filter),
        outputGradient: x, image: operands.input(1), into: y,
        accumulate: operands.accumulates(0), bias: gradient.hasBias ? operands.output(1) : nil,
        accumulateBias: gradient.hasBias && operands.accumulates(1),
        workspace: operands.workspace)
    case .groupNormalization(let normalization):
      groupNormalize(
        normalization.geometry(shape), x: x, scale: operands.input(1), shift: operands.input(2),
        into: y, mean: operands.output(1), reciprocalDeviation: operands.output(2),
        workspace: operands.workspace)
    case .groupNormalizationGradient(let gradient):
      precondition(
        operands.accumulates(1) == operands.accumulates(2),
        "scale and shift of a normalization are parameters both, or neither")
      groupNormalizeGradient(
        gradient.normalization.geometry(instruction.inputs[1].shape), outputGradient: x,
        x: operands.input(1), scale: operands.input(2), shift: operands.input(3),
        mean: operands.input(4), reciprocalDeviation: operands.input(5),
        addend: gradient.hasAddend ? operands.input(6) : nil, into: y,
        scaleGradient: operands.output(1), shiftGradient: operands.output(2),
        accumulate: operands.accumulates(1), workspace: operands.workspace)
    case .groupNormalizationRecomputation(let recomputation):
      groupNormalizeAgain(
        recomputation.normalization.geometry(shape), x: x, scale: operands.input(1),
        shift: operands.input(2), mean: operands.input(3),
        reciprocalDeviation: operands.input(4), into: y, workspace: operands.workspace)
    case .activation(let activation):
      activate(activation.kernel, count: count, x, into: y)
    case .activationGradient(let gradient):
      activateGradient(
        gradient.activation.kernel, count: count, outputGradient: x, x: operands.input(1), into: y)
    case .upsampling(let upsampling):
      upsampleNearest(
        batch: shape[0], height: shape[1], width: shape[2], channels: shape[3],
        factor: upsampling.factor, x, into: y)
    case .upsamplingGradient(let gradient):
      let small = instruction.outputs[0].shape
      upsampleNearestGradient(
        batch: small[0], height: small[1], width: small[2], channels: small[3],
        factor: gradient.factor, outputGradient: x, into: y)
    case .matrixProduct(let product):
      let result = instruction.outputs[0].shape
      batchedMatrixProduct(
        batch: shape[0], rows: result[1], columns: result[2],
        inner: product.transposesFirst ? shape[1] : shape[2],
        transposeA: product.transposesFirst, transposeB: product.transposesSecond, x,
        operands.input(1), into: y)
    case .softmax(let rule):
      softmax(rows: shape.rows, columns: shape.channels, scale: rule.scale, x, into: y)
    case .softmaxGradient(let rule):
      softmaxGradient(
        rows: shape.rows, columns: shape.channels, scale: rule.scale, outputGradient: x,
        y: operands.input(1), into: y)

    // Arithmetic.
    case .arithmetic(.sum):
      add(count: count, x, operands.input(1), into: y)
    case .arithmetic(.difference):
      subtract(count: count, x, operands.input(1), into: y)
    case .arithmetic(.product):
      multiply(count: count, x, operands.input(1), into: y)
    case .scaling(let scaling):
      scale(count: count, x, by: scaling.factor, into: y)
    case .channelAffine(let affine):
      affine.scale.withUnsafeBufferPointer { scale in
        affine.offset.withUnsafeBufferPointer { offset in
          channelAffine(
            rows: shape.rows, channels: shape.channels, x, scale: scale.baseAddress!,
            offset: offset.baseAddress!, into: y)
        }
      }
    case .channelSlice(let slice):
      sliceChannels(
        rows: shape.rows, width: shape.channels, start: slice.start, channels: slice.channels, x,
        into: y)
    case .channelPlacement(let placement):
      fill(count: count, with: 0, into: y)
      placeChannels(
        rows: shape.rows, width: placement.width, start: placement.start,
        channels: shape.channels, x, into: y)
    case .channelConcatenation:
      var start = 0
      for (index, input) in instruction.inputs.enumerated() {
        placeChannels(
          rows: shape.rows, width: instruction.outputs[0].shape.channels, start: start,
          channels: input.shape.channels, operands.input(index), into: y)
        start += input.shape.channels
      }
    case .total(let total):
      y.pointee = Float(Kernels.sum(count: shape.count, x) * Double(total.factor))
    case .spread(let spread):
      fill(count: count, with: x.pointee * spread.factor, into: y)
    case .seed(let seed):
      fill(count: count, with: seed.value, into: y)
    case .accumulation:
      accumulate(count: count, x, into: y)

    // Losses.
    case .loss(.squared):
      y.pointee = Float(meanSquaredError(count: shape.count, x, operands.input(1)))
    case .loss(.absolute):
      y.pointee = Float(meanAbsoluteError(count: shape.count, x, operands.input(1)))
    case .lossGradient(let gradient):
      let (a, b) = (operands.input(1), operands.input(2))
      switch gradient.loss {
      case .squared:
        meanSquaredErrorGradient(count: count, factor: x.pointee, a, b, into: y)
      case .absolute:
        meanAbsoluteErrorGradient(count: count, factor: x.pointee, a, b, into: y)
      }

    // Quantizers.
    case .rowNormalization:
      normalizeRows(rows: shape.rows, columns: shape.channels, x, into: y)
    case .rowNormalizationGradient:
      normalizeRowsGradient(
        rows: shape.rows, columns: shape.channels, outputGradient: x, x: operands.input(1), into: y)
    case .squaredNorms:
      squaredNorms(rows: shape.rows, columns: shape.channels, x, into: y)
    case .nearestCode:
      nearestCodes(
        rows: shape.rows, codes: instruction.inputs[1].shape[0], dimension: shape.channels, x,
        codebook: operands.input(1), squaredNorms: operands.input(2),
        into: operands.outputIndices(0), workspace: operands.workspace)
    case .gathering:
      gatherRows(
        rows: instruction.inputs[1].shape.count, columns: shape[1], from: x, tableRows: shape[0],
        indices: operands.inputIndices(1), into: y)
    case .scatterAddition(let addition):
      if !operands.accumulates(0) { fill(count: count, with: 0, into: y) }
      scatterAddRows(
        rows: shape.rows, columns: shape.channels, x, tableRows: addition.table[0],
        indices: operands.inputIndices(1), into: y)
    case .codeCounts(let counts):
      countCodes(
        rows: shape.count, codes: counts.codes, indices: operands.inputIndices(0), into: y)
    case .rotationGradient(let rotation):
      rotationGradient(
        rows: shape.rows, dimension: shape.channels, scale: rotation.scale.kernel,
        outputGradient: x, z: operands.input(1), q: operands.input(2), into: y)
    case .rotationFallbacks:
      y.pointee = Float(
        countRotationFallbacks(
          rows: shape.rows, dimension: shape.channels, z: x, q: operands.input(1)))
    case .directedPassGradient:
      directedPassGradient(
        rows: shape.rows, dimension: shape.channels, outputGradient: x, z: operands.input(1),
        q: operands.input(2), into: y, codeGradient: operands.output(1))
    case .levelBound(let bound):
      bound.levels.withUnsafeBufferPointer {
        boundLevels(
          bound.form.kernel, rows: shape.rows, channels: shape.channels, levels: $0.baseAddress!,
          x, into: y)
      }
    case .levelBoundGradient(let gradient):
      gradient.bound.levels.withUnsafeBufferPointer {
        boundLevelsGradient(
          gradient.bound.form.kernel, rows: shape.rows, channels: shape.channels,
          levels: $0.baseAddress!, outputGradient: x, z: operands.input(1), into: y)
      }
    case .rounding:
      roundHalfEven(count: count, x, into: y)
    case .digitPacking(let packing):
      packing.levels.withUnsafeBufferPointer {
        packDigits(
          rows: shape.rows, channels: shape.channels, levels: $0.baseAddress!, digits: x,
          into: operands.outputIndices(0))
      }
    case .digitUnpacking(let unpacking):
      unpacking.levels.withUnsafeBufferPointer {
        unpackDigits(
          rows: shape.count, channels: unpacking.levels.count, levels: $0.baseAddress!,
          indices: operands.inputIndices(0), into: y)
      }

    case .signBits:
      signBits(count: count, x, into: y)
    case .entropyOfBits(let entropy):
      y.pointee = Float(
        entropyOfBits(rows: shape.rows, bits: shape.channels, scale: entropy.scale, x))
    case .entropyOfBitsGradient(let gradient):
      let vectors = instruction.inputs[1].shape
      entropyOfBitsGradient(
        rows: vectors.rows, bits: vectors.channels, scale: gradient.entropy.scale,
        factor: x.pointee, operands.input(1), into: y)
    case .entropyOfMeanBits(let entropy):
      y.pointee = Float(
        entropyOfMeanBits(
          rows: shape.rows, bits: shape.channels, group: entropy.group, scale: entropy.scale, x,
          shares: operands.output(1), workspace: operands.workspace))
    case .entropyOfMeanBitsGradient(let gradient):
      let vectors = instruction.inputs[1].shape
      entropyOfMeanBitsGradient(
        rows: vectors.rows, bits: vectors.channels, group: gradient.entropy.group,
        scale: gradient.entropy.scale, factor: x.pointee, operands.input(1),
        shares: operands.input(2), into: y, workspace: operands.workspace)

    // Views are never planned.
    case .reshaping, .gradientStop, .straightThrough, .rotation, .directedPass:
      preconditionFailure("\(instruction.operation.name) is a view and has no instruction")
    }
  }
}

/// The pointers of one instruction.
private struct Operands {
  let instruction: Instruction
  let memories: Memories<HostMemory>

  init(_ instruction: Instruction, _ memories: Memories<HostMemory>) {
    self.instruction = instruction
    self.memories = memories
  }

  /// An input; for an operation without inputs, a pointer that nobody reads.
  func input(_ index: Int) -> UnsafePointer<Float> {
    UnsafePointer(
      index < instruction.inputs.count
        ? floats(instruction.inputs[index]) : memories.parameters.floats(at: 0, count: 0))
  }

  func inputIndices(_ index: Int) -> UnsafePointer<Int32> {
    UnsafePointer(indices(instruction.inputs[index]))
  }

  func output(_ index: Int) -> UnsafeMutablePointer<Float> { floats(instruction.outputs[index]) }

  func outputIndices(_ index: Int) -> UnsafeMutablePointer<Int32> {
    indices(instruction.outputs[index])
  }

  var workspace: UnsafeMutablePointer<Float> {
    instruction.workspace.map(floats) ?? output(0)
  }

  private func floats(_ operand: Operand) -> UnsafeMutablePointer<Float> {
    memories[operand.region].floats(at: operand.offset, count: operand.shape.count)
  }

  private func indices(_ operand: Operand) -> UnsafeMutablePointer<Int32> {
    memories[operand.region].indices(at: operand.offset, count: operand.shape.count)
  }

  /// Whether an output is added to what is there.
  func accumulates(_ index: Int) -> Bool {
    instruction.outputs[index].region == .gradients
  }
}
