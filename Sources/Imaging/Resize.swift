/// The kernels for changing an image's size.
///
/// All average over what an output pixel covers when an image is reduced, so nothing aliases; the
/// weights of each output pixel sum to 1, and beyond the edge there is nothing to weigh.
public enum ResizeFilter: String, Sendable, CaseIterable {
  /// Each input pixel weighs as much as the output pixel's rectangle covers of it.
  case area
  /// A triangle of half-width 1, widened by the reduction.
  case bilinear
  /// Keys' cubic convolution kernel with a = -0.5 and half-width 2, widened by the reduction.
  ///
  /// R. Keys, "Cubic convolution interpolation for digital image processing", 1981.
  case bicubic

  /// The half-width in output pixels of a reduced image.
  fileprivate var support: Double {
    switch self {
    case .area: 0.5
    case .bilinear: 1
    case .bicubic: 2
    }
  }

  /// The weight, not yet normalised, of the input pixel `index` for an output pixel at `centre`.
  fileprivate func weight(of index: Int, centre: Double, scale: Double) -> Double {
    let left = Double(index)
    let x = abs(left + 0.5 - centre) / max(scale, 1)
    switch self {
    case .area:
      let end = min(left + 1, centre + scale / 2)
      return max(0, end - max(left, centre - scale / 2))
    case .bilinear: return max(0, 1 - x)
    case .bicubic:
      if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
      if x < 2 { return ((-0.5 * x + 2.5) * x - 4) * x + 2 }
      return 0
    }
  }
}

extension Image {
  /// The image at another size; rounding happens once, at the end.
  ///
  /// Output pixel `o` of a side reduced by `s = input / output` is centred at `(o + 0.5) s` of the
  /// input. Separable: rows first, then columns. The same input gives the same output everywhere.
  public func resized(to newWidth: Int, _ newHeight: Int, filter: ResizeFilter = .bicubic) -> Image
  {
    precondition(newWidth > 0 && newHeight > 0, "an image has at least one pixel")
    if newWidth == width && newHeight == height { return self }
    let columns = ResizeWeights(from: width, to: newWidth, filter: filter)
    let rows = ResizeWeights(from: height, to: newHeight, filter: filter)
    let stride = newWidth * 3
    // Every row at its new width, then rows mixed into one row of sums at a time.
    let narrow = columns.mixPixels(of: self)
    var sums = [Float](repeating: 0, count: stride)
    let resized = [UInt8](unsafeUninitializedCapacity: stride * newHeight) { pixels, initialized in
      sums.withUnsafeMutableBufferPointer { sums in
        narrow.withUnsafeBufferPointer { narrow in
          for y in 0..<newHeight {
            rows.mixRow(y, of: narrow, into: sums)
            for index in 0..<stride {
              let rounded = sums[index].rounded(.toNearestOrEven)
              pixels[y * stride + index] = UInt8(min(max(rounded, 0), 255))
            }
          }
        }
      }
      initialized = stride * newHeight
    }
    return Image(width: newWidth, height: newHeight, pixels: resized)
  }

  /// Scaled until it just covers the given size, then cropped to it in the middle.
  ///
  /// One side fits exactly, the other loses what sticks out on both ends; nothing is distorted by
  /// more than the rounding of one side.
  public func resizedToFill(
    width newWidth: Int, height newHeight: Int, filter: ResizeFilter = .bicubic
  ) -> Image {
    precondition(newWidth > 0 && newHeight > 0, "an image has at least one pixel")
    let isWider = width * newHeight > height * newWidth
    let scale =
      isWider ? Double(newHeight) / Double(height) : Double(newWidth) / Double(width)
    let covering =
      isWider
      ? (max(newWidth, Int((Double(width) * scale).rounded())), newHeight)
      : (newWidth, max(newHeight, Int((Double(height) * scale).rounded())))
    return resized(to: covering.0, covering.1, filter: filter)
      .centreCropped(width: newWidth, height: newHeight)
  }
}

/// For each output position of one side: the first input position and the weights from there on.
struct ResizeWeights {
  private var spans: [(start: Int, weights: Range<Int>)] = []
  private var weights: [Float] = []

  init(from input: Int, to output: Int, filter: ResizeFilter) {
    let scale = Double(input) / Double(output)
    let reach = filter.support * (filter == .area ? scale : max(scale, 1))
    for position in 0..<output {
      let centre = (Double(position) + 0.5) * scale
      let start = max(0, Int((centre - reach).rounded(.down)))
      let end = min(input, Int((centre + reach).rounded(.up)))
      let raw = (start..<end).map { filter.weight(of: $0, centre: centre, scale: scale) }
      let total = raw.reduce(0, +)
      spans.append((start, weights.count..<weights.count + raw.count))
      weights.append(contentsOf: raw.map { Float($0 / total) })
    }
  }

  /// Every row of the image at the new width, as `height x output x 3` sums.
  func mixPixels(of image: Image) -> [Float] {
    let stride = spans.count * 3
    let count = image.height * stride
    return image.pixels.withUnsafeBufferPointer { pixels in
      weights.withUnsafeBufferPointer { weights in
        [Float](unsafeUninitializedCapacity: count) { sums, initialized in
          for y in 0..<image.height {
            for (position, span) in spans.enumerated() {
              var source = (y * image.width + span.start) * 3
              var sum = SIMD4<Float>()
              for index in span.weights {
                let pixel = SIMD4<Float>(
                  Float(pixels[source]), Float(pixels[source + 1]), Float(pixels[source + 2]), 0)
                sum += pixel * weights[index]
                source += 3
              }
              let target = y * stride + position * 3
              sums[target] = sum.x
              sums[target + 1] = sum.y
              sums[target + 2] = sum.z
            }
          }
          initialized = count
        }
      }
    }
  }

  /// Row `position` of the output, from rows as long as `sums`.
  func mixRow(
    _ position: Int, of rows: UnsafeBufferPointer<Float>,
    into sums: UnsafeMutableBufferPointer<Float>
  ) {
    let span = spans[position]
    sums.update(repeating: 0)
    for (offset, index) in span.weights.enumerated() {
      let weight = weights[index]
      let source = (span.start + offset) * sums.count
      for column in sums.indices { sums[column] += rows[source + column] * weight }
    }
  }
}

// MARK: - Cropping

extension Image {
  /// The rectangle whose top left corner is at (`x`, `y`); it must lie inside.
  public func cropped(x: Int, y: Int, width: Int, height: Int) -> Image {
    precondition(
      x >= 0 && y >= 0 && width > 0 && height > 0 && x + width <= self.width
        && y + height <= self.height, "the rectangle lies in the image")
    if width == self.width && height == self.height { return self }
    var part = [UInt8]()
    part.reserveCapacity(width * height * 3)
    for row in y..<y + height {
      let start = (row * self.width + x) * 3
      part.append(contentsOf: pixels[start..<start + width * 3])
    }
    return Image(width: width, height: height, pixels: part)
  }

  /// The rectangle in the middle; an odd remainder goes to the right and the bottom.
  public func centreCropped(width: Int, height: Int) -> Image {
    cropped(
      x: (self.width - width) / 2, y: (self.height - height) / 2, width: width, height: height)
  }

  /// Enlarged on the right and at the bottom, where the last column and row are repeated.
  ///
  /// `cropped(x: 0, y: 0, width:, height:)` with the old size undoes it.
  public func padded(width: Int, height: Int) -> Image {
    precondition(width >= self.width && height >= self.height, "padding only enlarges")
    if width == self.width && height == self.height { return self }
    var padded = [UInt8]()
    padded.reserveCapacity(width * height * 3)
    for row in 0..<height {
      let start = min(row, self.height - 1) * self.width * 3
      let end = start + self.width * 3
      padded.append(contentsOf: pixels[start..<end])
      for _ in self.width..<width { padded.append(contentsOf: pixels[end - 3..<end]) }
    }
    return Image(width: width, height: height, pixels: padded)
  }

  /// Padded to the next multiples of `multiple` in both directions.
  public func padded(toMultipleOf multiple: Int) -> Image {
    precondition(multiple > 0, "the multiple is positive")
    return padded(
      width: (width + multiple - 1) / multiple * multiple,
      height: (height + multiple - 1) / multiple * multiple)
  }

  /// The mirror image: left is right.
  public func flippedHorizontally() -> Image { turned(.mirrored) }
}
