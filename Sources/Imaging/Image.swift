/// An 8-bit RGB image.
///
/// `pixels` holds `width * height * 3` bytes, red, green and blue of each pixel together, row by row
/// from the top left.
public struct Image: Sendable, Equatable {
  /// Pixels per row, at least 1.
  public let width: Int
  /// Rows, at least 1.
  public let height: Int
  /// The bytes, `pixels[(y * width + x) * 3 + channel]`; their number must not change.
  public var pixels: [UInt8] {
    didSet { precondition(pixels.count == width * height * 3, "an image keeps its size") }
  }

  /// An image over given bytes, `width * height * 3` of them.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0, "an image has at least one pixel")
    precondition(pixels.count == width * height * 3, "three bytes for each pixel")
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// A black image.
  public init(width: Int, height: Int) {
    precondition(width > 0 && height > 0, "an image has at least one pixel")
    self.init(
      width: width, height: height, pixels: [UInt8](repeating: 0, count: width * height * 3))
  }

  /// An image of one colour.
  public init(width: Int, height: Int, filledWith color: PixelColor) {
    self.init(width: width, height: height)
    for y in 0..<height {
      for x in 0..<width { self[x, y] = color }
    }
  }

  /// The colour at column `x` and row `y`.
  public subscript(x: Int, y: Int) -> PixelColor {
    get {
      let start = offset(x, y)
      return PixelColor(pixels[start], pixels[start + 1], pixels[start + 2])
    }
    set {
      let start = offset(x, y)
      pixels[start] = newValue.red
      pixels[start + 1] = newValue.green
      pixels[start + 2] = newValue.blue
    }
  }

  private func offset(_ x: Int, _ y: Int) -> Int {
    precondition(x >= 0 && x < width && y >= 0 && y < height, "the pixel lies in the image")
    return (y * width + x) * 3
  }
}

/// An 8-bit RGB colour.
public struct PixelColor: Sendable, Hashable {
  /// Red, 0...255.
  public var red: UInt8
  /// Green, 0...255.
  public var green: UInt8
  /// Blue, 0...255.
  public var blue: UInt8

  /// Red, green, blue.
  public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    self.red = red
    self.green = green
    self.blue = blue
  }

  /// Black.
  public static let black = PixelColor(0, 0, 0)
  /// White.
  public static let white = PixelColor(255, 255, 255)
}

extension PixelColor {
  /// What texts ``init(text:)`` reads, as a regular expression.
  public static let pattern = "^(white|black|#[0-9a-fA-F]{6})$"

  /// Reads "white", "black", or red, green and blue as in "#ff8000".
  public init?(text: String) {
    switch text {
    case "white": self = .white
    case "black": self = .black
    default:
      let digits = text.utf8.dropFirst()
      guard text.utf8.first == UInt8(ascii: "#"), digits.count == 6,
        digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
        let value = UInt32(text.dropFirst(), radix: 16)
      else { return nil }
      self.init(
        UInt8(value >> 16), UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value))
    }
  }
}

// MARK: - As input of a model

extension Image {
  /// Writes the pixels as numbers in [-1, 1]: byte `b` becomes `b / 127.5 - 1`.
  ///
  /// The target has room for `width * height * 3` floats, in the order of `pixels` (one image of an
  /// NHWC tensor).
  public func write(normalizedTo target: UnsafeMutablePointer<Float>) {
    write(pixels: 0..<width * height, normalizedTo: target)
  }

  /// Writes some pixels likewise, counted row by row from the top left.
  public func write(pixels range: Range<Int>, normalizedTo target: UnsafeMutablePointer<Float>) {
    let (start, count) = (range.lowerBound * 3, range.count * 3)
    precondition(start >= 0 && start + count <= pixels.count, "the pixels lie in the image")
    pixels.withUnsafeBufferPointer { pixels in
      for index in 0..<count { target[index] = Float(pixels[start + index]) / 127.5 - 1 }
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
      Self.convert(count, normalized: source, into: pixels.baseAddress!)
      initialized = count
    }
    self.init(width: width, height: height, pixels: pixels)
  }

  /// Turns numbers in [-1, 1] into bytes, as ``init(width:height:normalized:)`` does.
  public static func convert(
    _ count: Int, normalized source: UnsafePointer<Float>,
    into bytes: UnsafeMutablePointer<UInt8>
  ) {
    for index in 0..<count {
      // A comparison with NaN is false, so NaN takes the lower bound.
      let value = source[index]
      let clamped = value > -1 ? (value < 1 ? value : 1) : -1
      bytes[index] = UInt8(((clamped + 1) * 127.5).rounded(.toNearestOrEven))
    }
  }
}
