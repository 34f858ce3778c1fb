/// How a grid of numbers is a sequence of vectors: blocks of it, row by row.
///
///     [height, width, channels] -> [rows, patch, columns, patch, channels]
///                               -> [rows, columns, patch * patch * channels]
///
/// A patch of 1 leaves each place by itself. Source: Dosovitskiy et al., "An image is worth 16x16 words",
/// 2021.
public struct Patches: Sendable, Hashable, Codable {
  /// The extents of the grid.
  public let height, width, channels: Int
  /// The side of a block, which divides height and width.
  public let patch: Int

  /// Blocks of a grid; nil where the side does not divide it.
  public init?(height: Int, width: Int, channels: Int, patch: Int) {
    guard patch > 0, height > 0, width > 0, channels > 0, height % patch == 0, width % patch == 0
    else { return nil }
    (self.height, self.width, self.channels, self.patch) = (height, width, channels, patch)
  }

  /// Rows of blocks.
  public var rows: Int { height / patch }
  /// Blocks of a row.
  public var columns: Int { width / patch }
  /// Numbers of a block.
  public var numbers: Int { patch * patch * channels }
  /// Numbers of the grid.
  public var count: Int { height * width * channels }

  /// Copies the block of a place, numbered row by row.
  ///
  /// - Parameters:
  ///   - isMirrored: whether the grid is read from right to left.
  ///   - body: called with a place of the block and the place of the grid that it comes from.
  @inline(__always)
  public func eachNumber(
    ofBlock place: Int, isMirrored: Bool = false, _ body: (_ block: Int, _ grid: Int) -> Void
  ) {
    let (row, column) = (place / columns * patch, place % columns * patch)
    var index = 0
    for y in row..<row + patch {
      for x in column..<column + patch {
        let from = (y * width + (isMirrored ? width - 1 - x : x)) * channels
        for channel in 0..<channels {
          body(index, from + channel)
          index += 1
        }
      }
    }
  }
}
