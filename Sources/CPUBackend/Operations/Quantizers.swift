import Autodiff
import Execution
import Kernels

extension RowNormalization: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    normalizeRows(rows: shape.rows, columns: shape.channels, o.input(0), into: o.output(0))
  }
}

extension RowNormalizationGradient: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    normalizeRowsGradient(
      rows: shape.rows, columns: shape.channels, outputGradient: o.input(0), x: o.input(1),
      into: o.output(0))
  }
}

extension SquaredNorms: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    squaredNorms(rows: shape.rows, columns: shape.channels, o.input(0), into: o.output(0))
  }
}

extension NearestCode: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    nearestCodeWorkspace(codes: inputs[1][0], dimension: inputs[1][1])
  }

  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    let rows = o.share.range(of: shape.rows)
    nearestCodes(
      rows: rows.count, codes: o.shape(ofInput: 1)[0], dimension: shape.channels,
      o.input(0) + rows.lowerBound * shape.channels, codebook: o.input(1),
      squaredNorms: o.input(2), into: o.outputIndices(0) + rows.lowerBound,
      workspace: o.workspace)
  }

  /// One.
  public func phases(of instruction: Instruction, on backend: CPUBackend) -> Int { 1 }
}

extension Gathering: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let table = o.shape(ofInput: 0)
    gatherRows(
      rows: o.shape(ofInput: 1).count, columns: table[1], from: o.input(0), tableRows: table[0],
      indices: o.inputIndices(1), into: o.output(0))
  }
}

extension ScatterAddition: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    if !o.accumulates(0) { fill(count: o.count, with: 0, into: o.output(0)) }
    scatterAddRows(
      rows: shape.rows, columns: shape.channels, o.input(0), tableRows: table[0],
      indices: o.inputIndices(1), into: o.output(0))
  }
}

extension CodeCounts: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    countCodes(
      rows: o.shape(ofInput: 0).count, codes: codes, indices: o.inputIndices(0),
      into: o.output(0))
  }
}

extension RotationGradient: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    rotationGradient(
      rows: shape.rows, dimension: shape.channels, scale: scale,
      outputGradient: o.input(0), z: o.input(1), q: o.input(2), into: o.output(0))
  }
}

extension RotationFallbacks: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    o.output(0).pointee = Float(
      countRotationFallbacks(
        rows: shape.rows, dimension: shape.channels, z: o.input(0), q: o.input(1)))
  }
}

extension DirectedPassGradient: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    directedPassGradient(
      rows: shape.rows, dimension: shape.channels, outputGradient: o.input(0), z: o.input(1),
      q: o.input(2), into: o.output(0), codeGradient: o.output(1))
  }
}

extension LevelBound: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    levels.withUnsafeBufferPointer {
      boundLevels(
        form, rows: shape.rows, channels: shape.channels, levels: $0.baseAddress!,
        o.input(0), into: o.output(0))
    }
  }
}

extension LevelBoundGradient: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    bound.levels.withUnsafeBufferPointer {
      boundLevelsGradient(
        bound.form, rows: shape.rows, channels: shape.channels, levels: $0.baseAddress!,
        outputGradient: o.input(0), z: o.input(1), into: o.output(0))
    }
  }
}

extension Rounding: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    roundHalfEven(count: o.count, o.input(0), into: o.output(0))
  }
}

extension DigitPacking: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    levels.withUnsafeBufferPointer {
      packDigits(
        rows: shape.rows, channels: shape.channels, levels: $0.baseAddress!, digits: o.input(0),
        into: o.outputIndices(0))
    }
  }
}

extension DigitUnpacking: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    levels.withUnsafeBufferPointer {
      unpackDigits(
        rows: o.shape(ofInput: 0).count, channels: levels.count, levels: $0.baseAddress!,
        indices: o.inputIndices(0), into: o.output(0))
    }
  }
}

extension SignBits: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    Kernels.signBits(count: o.count, o.input(0), into: o.output(0))
  }
}

extension EntropyOfBits: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    o.output(0).pointee = Float(
      Kernels.entropyOfBits(
        rows: shape.rows, bits: shape.channels, scale: scale, o.input(0)))
  }
}

extension EntropyOfBitsGradient: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let vectors = o.shape(ofInput: 1)
    entropyOfBitsGradient(
      rows: vectors.rows, bits: vectors.channels, scale: entropy.scale,
      factor: o.input(0).pointee, o.input(1), into: o.output(0))
  }
}

extension EntropyOfMeanBits: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    meanBitsWorkspace(group: group)
  }

  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    o.output(0).pointee = Float(
      Kernels.entropyOfMeanBits(
        rows: shape.rows, bits: shape.channels, group: group, scale: scale, o.input(0),
        shares: o.output(1), workspace: o.workspace))
  }
}

extension EntropyOfMeanBitsGradient: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    meanBitsWorkspace(group: entropy.group)
  }

  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let vectors = o.shape(ofInput: 1)
    entropyOfMeanBitsGradient(
      rows: vectors.rows, bits: vectors.channels, group: entropy.group, scale: entropy.scale,
      factor: o.input(0).pointee, o.input(1), shares: o.input(2), into: o.output(0),
      workspace: o.workspace)
  }
}
