import Foundation

/// The filters of Pillow, Python's imaging library, by its names.
///
/// A filter f of half-width s weighs input pixel i for output pixel o by `f((i + 0.5 - c) / r)`, where
/// `c = (o + 0.5) input / output` is the centre and `r = max(1, input / output)` the widening.
public enum PillowFilter: String, Sendable, CaseIterable {
  /// 1 for -0.5 < x <= 0.5.
  case box
  /// `1 - |x|` up to 1.
  case bilinear
  /// Keys' cubic convolution kernel with a = -0.5, up to 2.
  case bicubic
  /// `sinc(x) sinc(x / 3)` for -3 <= x < 3.
  case lanczos

  /// The half-width in output pixels of a reduced image.
  fileprivate var support: Double {
    switch self {
    case .box: 0.5
    case .bilinear: 1
    case .bicubic: 2
    case .lanczos: 3
    }
  }

  /// The weight at a distance, not normalized; the order of operations decides the last bit.
  fileprivate func weight(at x: Double) -> Double {
    let distance = abs(x)
    switch self {
    case .box: return x > -0.5 && x <= 0.5 ? 1 : 0
    case .bilinear: return distance < 1 ? 1 - distance : 0
    case .bicubic:
      if distance < 1 { return (1.5 * distance - 2.5) * distance * distance + 1 }
      if distance < 2 { return (((distance - 5) * distance + 8) * distance - 4) * -0.5 }
      return 0
    case .lanczos: return x >= -3 && x < 3 ? Self.sinc(x) * Self.sinc(x / 3) : 0
    }
  }

  private static func sinc(_ x: Double) -> Double {
    if x == 0 { return 1 }
    let angle = x * Double.pi
    return sin(angle) / angle
  }
}

extension Image {
  /// The image at another size, with the very bytes that Pillow's `Image.resize` gives.
  ///
  /// Each side is a pass of its own that ends in bytes: `(2^21 + sum w p) >> 22`, clamped to 0...255,
  /// with weights rounded to multiples of 2^-22. A side that keeps its length has no pass. Rows come
  /// first, except where the height shrinks by more than twice as many pixels as the width does
  /// (`h - h' > 2 (w - w')` and `h > h'`): then columns do. That is the rule of Pillow 13; up to
  /// Pillow 12.0, rows always came first, so bytes differ there for such images.
  ///
  /// - Parameter filter: the filter.
  /// - Precondition: the new sides are at least 1.
  public func resizedAsPillow(
    to newWidth: Int, _ newHeight: Int, filter: PillowFilter
  ) -> Image {
    precondition(newWidth > 0 && newHeight > 0, "an image has at least one pixel")
    let columnsFirst = height > newHeight && height - newHeight > 2 * (width - newWidth)
    var image = self
    if columnsFirst { image = image.withHeight(newHeight, filter) }
    image = image.withWidth(newWidth, filter)
    return image.withHeight(newHeight, filter)
  }

  /// Every row at a new width.
  private func withWidth(_ newWidth: Int, _ filter: PillowFilter) -> Image {
    if newWidth == width { return self }
    let weights = PillowWeights(from: width, to: newWidth, filter: filter)
    var row = [SIMD4<Int32>](repeating: .zero, count: width)
    let resized = [UInt8](unsafeUninitializedCapacity: newWidth * height * 3) { target, count in
      for y in 0..<height {
        pixels.withUnsafeBufferPointer { pixels in
          var source = y * width * 3
          for x in 0..<width {
            row[x] = SIMD4(
              Int32(pixels[source]), Int32(pixels[source + 1]), Int32(pixels[source + 2]), 0)
            source += 3
          }
        }
        row.withUnsafeBufferPointer {
          weights.mixPixels(of: $0, into: target.baseAddress! + y * newWidth * 3)
        }
      }
      count = newWidth * height * 3
    }
    return Image(width: newWidth, height: height, pixels: resized)
  }

  /// Every column at a new height.
  private func withHeight(_ newHeight: Int, _ filter: PillowFilter) -> Image {
    if newHeight == height { return self }
    let weights = PillowWeights(from: height, to: newHeight, filter: filter)
    let stride = width * 3
    let resized = [UInt8](unsafeUninitializedCapacity: stride * newHeight) { target, count in
      pixels.withUnsafeBufferPointer { pixels in
        for y in 0..<newHeight {
          weights.mixRow(
            y, of: pixels.baseAddress!, stride: stride, into: target.baseAddress! + y * stride)
        }
      }
      count = stride * newHeight
    }
    return Image(width: width, height: newHeight, pixels: resized)
  }
}

/// For each output position of one side: the first input position, and integer weights from there on.
private struct PillowWeights {
  private var spans: [(start: Int, weights: Range<Int>)] = []
  private var weights: [Int32] = []

  /// Fractional bits of a weight.
  private static let bits: Int32 = 22
  private static let half: Int32 = 1 << (bits - 1)

  init(from input: Int, to output: Int, filter: PillowFilter) {
    let scale = Double(input) / Double(output)
    let widening = max(scale, 1)
    let (reach, narrowing) = (filter.support * widening, 1 / widening)
    for position in 0..<output {
      let centre = (Double(position) + 0.5) * scale
      let start = max(0, Int(centre - reach + 0.5))
      let end = min(input, Int(centre + reach + 0.5))
      var raw = (start..<max(start, end)).map {
        filter.weight(at: (Double($0) - centre + 0.5) * narrowing)
      }
      let total = raw.reduce(0, +)
      if total != 0 { for index in raw.indices { raw[index] /= total } }
      spans.append((start, weights.count..<weights.count + raw.count))
      for weight in raw {
        let scaled = weight * Double(1 << Self.bits)
        weights.append(Int32(weight < 0 ? scaled - 0.5 : scaled + 0.5))
      }
    }
  }

  /// One row of pixels at the new width.
  func mixPixels(
    of row: UnsafeBufferPointer<SIMD4<Int32>>, into target: UnsafeMutablePointer<UInt8>
  ) {
    var target = target
    weights.withUnsafeBufferPointer { weights in
      for span in spans {
        var sum = SIMD4<Int32>(repeating: Self.half)
        var source = span.start
        for index in span.weights {
          sum &+= row[source] &* weights[index]
          source += 1
        }
        let bytes = (sum &>> Self.bits).clamped(
          lowerBound: .zero, upperBound: SIMD4(repeating: 255))
        target[0] = UInt8(truncatingIfNeeded: bytes.x)
        target[1] = UInt8(truncatingIfNeeded: bytes.y)
        target[2] = UInt8(truncatingIfNeeded: bytes.z)
        target += 3
      }
    }
  }

  /// Row `position` of the output, 16 bytes at a time.
  func mixRow(
    _ position: Int, of rows: UnsafePointer<UInt8>, stride: Int,
    into target: UnsafeMutablePointer<UInt8>
  ) {
    let span = spans[position]
    let first = rows + span.start * stride
    let whole = stride / 16 * 16
    weights.withUnsafeBufferPointer { weights in
      for column in Swift.stride(from: 0, to: whole, by: 16) {
        var sum = SIMD16<Int32>(repeating: Self.half)
        var source = UnsafeRawPointer(first + column)
        for index in span.weights {
          let bytes = source.loadUnaligned(as: SIMD16<UInt8>.self)
          sum &+= SIMD16<Int32>(truncatingIfNeeded: bytes) &* weights[index]
          source += stride
        }
        let bytes = (sum &>> Self.bits).clamped(
          lowerBound: .zero, upperBound: SIMD16(repeating: 255))
        UnsafeMutableRawPointer(target + column)
          .storeBytes(of: SIMD16<UInt8>(truncatingIfNeeded: bytes), as: SIMD16<UInt8>.self)
      }
      for column in whole..<stride {
        var sum = Self.half
        var source = first + column
        for index in span.weights {
          sum &+= Int32(source.pointee) &* weights[index]
          source += stride
        }
        target[column] = UInt8(truncatingIfNeeded: min(max(sum >> Self.bits, 0), 255))
      }
    }
  }
}
