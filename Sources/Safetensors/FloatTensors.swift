extension SafetensorsFile {
  /// Lends the numbers of one floating-point tensor as `Float`.
  ///
  /// Errors: those of `floats`.
  public func withFloats<R>(
    _ name: String, shape: [Int]? = nil, _ body: (UnsafeBufferPointer<Float>) -> R
  ) throws(SafetensorsError) -> R {
    try floats(name, shape: shape).withUnsafeBufferPointer { body($0) }
  }

  /// The numbers of one floating-point tensor, row-major, as `Float`.
  ///
  /// F16 and BF16 widen exactly; F64 rounds to the nearest `Float`. Infinities and NaN stay what they
  /// are. With `shape`, the tensor must have exactly that shape.
  ///
  /// Errors: no such tensor, another shape, a type that is not floating-point, a finite F64 beyond the
  /// range of `Float`.
  public func floats(_ name: String, shape: [Int]? = nil) throws(SafetensorsError) -> [Float] {
    let entry = try entry(name)
    if let shape, shape != entry.shape {
      throw .shape(path: path, name: name, expected: shape, found: entry.shape)
    }
    let count = entry.elementCount
    switch entry.type {
    case .f32:
      var failure: SafetensorsError?
      let floats = [Float](unsafeUninitializedCapacity: count) { floats, initialized in
        do throws(SafetensorsError) {
          let numbers = UnsafeMutableBufferPointer(rebasing: floats[..<count])
          try read(entry, from: 0, into: UnsafeMutableRawBufferPointer(numbers))
          initialized = count
        } catch {
          failure = error
        }
      }
      if let failure { throw failure }
      return floats
    case .f16:
      return try withBytes(of: entry) { bytes in
        (0..<count).map {
          widen(half: bytes.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self))
        }
      }
    case .bf16:
      return try withBytes(of: entry) { bytes in
        (0..<count).map {
          let half = bytes.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self)
          return Float(bitPattern: UInt32(half) << 16)
        }
      }
    case .f64:
      var beyond: (index: Int, value: Double)?
      let floats = try withBytes(of: entry) { bytes in
        (0..<count).map {
          let value = bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Double.self)
          let float = Float(value)
          if float.isInfinite, value.isFinite, beyond == nil { beyond = ($0, value) }
          return float
        }
      }
      if let beyond {
        throw .outOfRange(path: path, name: name, index: beyond.index, value: beyond.value)
      }
      return floats
    case .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool:
      throw .type(
        path: path, name: name, expected: "floating-point numbers (F32, F64, F16 or BF16)",
        found: entry.type)
    }
  }
}

/// IEEE 754 binary16 to binary32, by bits: not every platform of Swift has `Float16`.
private func widen(half: UInt16) -> Float {
  let sign = UInt32(half & 0x8000) << 16
  let exponent = UInt32(half >> 10 & 0x1F)
  let fraction = UInt32(half & 0x3FF)
  switch exponent {
  case 0:
    // Zero and subnormal: fraction * 2^-24, exact in binary32.
    let magnitude = Float(fraction) * 0x1p-24
    return Float(bitPattern: sign | magnitude.bitPattern)
  case 31:
    return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
  default:
    return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
  }
}
