extension Image {
  /// Writes the pixels as numbers in [-1, 1]: byte `b` becomes `b / 127.5 - 1`.
  ///
  /// The target has room for `width * height * 3` floats, in the order of `pixels` (one image of an
  /// NHWC tensor).
  public func write(normalizedTo target: UnsafeMutablePointer<Float>) {
    pixels.withUnsafeBufferPointer { pixels in
      for index in pixels.indices { target[index] = Float(pixels[index]) / 127.5 - 1 }
    }
  }

  /// An image from numbers in [-1, 1], the inverse of `write(normalizedTo:)`.
  ///
  /// `y` is clamped to [-1, 1] and becomes `(y + 1) * 127.5`, rounded to the nearest integer, ties
  /// to even. NaN becomes 0; who must refuse NaN looks for it before.
  public init(width: Int, height: Int, normalized source: UnsafePointer<Float>) {
    precondition(width > 0 && height > 0, "an image has at least one pixel")
    let count = width * height * 3
    let pixels = [UInt8](unsafeUninitializedCapacity: count) { pixels, initialized in
      for index in 0..<count {
        // A comparison with NaN is false, so NaN takes the lower bound.
        let value = source[index]
        let clamped = value > -1 ? (value < 1 ? value : 1) : -1
        pixels[index] = UInt8(((clamped + 1) * 127.5).rounded(.toNearestOrEven))
      }
      initialized = count
    }
    self.init(width: width, height: height, pixels: pixels)
  }
}
