/// How much of an image's detail is lost at each scale, in brightness.
///
/// Luma `Y = 0.299 R + 0.587 G + 0.114 B` of originals and of their errors is halved again and again
/// by means of 2x2 squares. Such means are orthogonal projections, so that what a halving takes away
/// is the energy of details of that size: of 1 to 2 pixels, 2 to 4, and so on. The fraction of a
/// scale is the error's energy over the image's own: 0 where nothing is lost, 1 where as much is
/// wrong as there was.
public struct OctaveError: Sendable, Equatable {
  private var image: [Double] = []
  private var error: [Double] = []

  /// No images yet.
  public init() {}

  /// Adds an image and its reconstruction, both `width * height * 3` bytes.
  public mutating func add(
    _ original: [UInt8], _ reconstruction: [UInt8], width: Int, height: Int
  ) {
    precondition(
      original.count == width * height * 3 && reconstruction.count == original.count,
      "both images have three bytes a pixel")
    var own = [Float](repeating: 0, count: width * height)
    var wrong = own
    for index in own.indices {
      let (r, g, b) = (3 * index, 3 * index + 1, 3 * index + 2)
      let luma =
        0.299 * Float(original[r]) + 0.587 * Float(original[g]) + 0.114 * Float(original[b])
      let other =
        0.299 * Float(reconstruction[r]) + 0.587 * Float(reconstruction[g])
        + 0.114 * Float(reconstruction[b])
      own[index] = luma
      wrong[index] = luma - other
    }
    Self.add(own, width, height, to: &image)
    Self.add(wrong, width, height, to: &error)
  }

  /// The fraction of each scale that has details, from the finest; `pixels` is the lower end of the
  /// scale.
  public var shares: [(pixels: Int, share: Double)] {
    zip(image, error).enumerated().compactMap { octave, energies in
      energies.0 > 0 ? (1 << octave, max(0, energies.1 / energies.0)) : nil
    }
  }

  private static func add(
    _ values: [Float], _ width: Int, _ height: Int, to energies: inout [Double]
  ) {
    var (values, width, height, octave) = (values, width, height, 0)
    while width > 1, height > 1 {
      let (half, tall) = (width / 2, height / 2)
      var means = [Float](repeating: 0, count: half * tall)
      var detail = 0.0
      for y in 0..<tall {
        for x in 0..<half {
          let place = 2 * y * width + 2 * x
          let four = (
            values[place], values[place + 1], values[place + width], values[place + width + 1]
          )
          let mean = (four.0 + four.1 + four.2 + four.3) / 4
          means[y * half + x] = mean
          for value in [four.0, four.1, four.2, four.3] {
            detail += Double((value - mean) * (value - mean))
          }
        }
      }
      if energies.count <= octave { energies.append(0) }
      energies[octave] += detail / Double(4 * half * tall)
      (values, width, height, octave) = (means, half, tall, octave + 1)
    }
  }
}
