import Inference
import TokenFiles

/// One image as latents that are not quantized: a grid of vectors, row by row from the top left.
public struct Latents: Sendable, Equatable {
  /// Rows of the grid.
  public let rows: Int
  /// Columns of the grid.
  public let columns: Int
  /// Channels of a vector.
  public let channels: Int
  /// The vectors, `[rows, columns, channels]`.
  public let numbers: [Float]
  /// Pixels in a row of the image; nil where it is as wide as its grid.
  public let width: Int?
  /// Rows of pixels of the image; nil where it is as high as its grid.
  public let height: Int?

  /// A grid of latents, such as a generative model put out.
  ///
  /// - Parameters:
  ///   - numbers: `rows * columns * channels` of them, those of a vector together.
  ///   - rows: at least 1.
  ///   - columns: at least 1.
  ///   - channels: numbers in a vector, at least 1.
  ///   - width: pixels in a row of the image, where it is narrower than the grid.
  ///   - height: rows of pixels of the image, where it is lower than the grid.
  /// - Throws: ``TesseraError`` `argument` where the counts do not agree.
  public init(
    numbers: [Float], rows: Int, columns: Int, channels: Int, width: Int? = nil,
    height: Int? = nil
  ) throws(TesseraError) {
    guard rows > 0, columns > 0, channels > 0 else {
      throw TesseraError(
        .argument,
        "expected a grid of at least one latent vector, found \(rows) rows, \(columns) columns and "
          + "\(channels) channels")
    }
    let (cells, isTooLarge) = rows.multipliedReportingOverflow(by: columns)
    let (count, overflows) = cells.multipliedReportingOverflow(by: channels)
    guard !isTooLarge, !overflows, numbers.count == count else {
      throw TesseraError(
        .argument, "expected \(rows) x \(columns) x \(channels) numbers, found \(numbers.count)")
    }
    for (name, side) in [("width", width), ("height", height)] {
      if let side, side < 1 {
        throw TesseraError(.argument, "\(name): expected at least 1 pixel, found \(side)")
      }
    }
    (self.rows, self.columns, self.channels) = (rows, columns, channels)
    (self.numbers, self.width, self.height) = (numbers, width, height)
  }

  init(_ grid: LatentGrid, width: Int, height: Int) {
    (rows, columns, channels, numbers) = (grid.height, grid.width, grid.channels, grid.numbers)
    (self.width, self.height) = (width, height)
  }

  /// As a codec takes them.
  var grid: LatentGrid {
    LatentGrid(height: rows, width: columns, channels: channels, numbers: numbers)
  }
}
