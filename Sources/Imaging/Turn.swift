extension Image {
  /// The image with the orientation's turn carried out.
  public func turned(_ orientation: Orientation) -> Image {
    if orientation == .upright { return self }
    let newWidth = orientation.swapsSides ? height : width
    let newHeight = orientation.swapsSides ? width : height
    // Where the pixel at the new top left lies in the old image, and the steps there for one column
    // and one row of the new one.
    let right = width - 1
    let bottom = height - 1
    let (x, y, column, row): (Int, Int, (Int, Int), (Int, Int)) =
      switch orientation {
      case .upright: (0, 0, (1, 0), (0, 1))
      case .mirrored: (right, 0, (-1, 0), (0, 1))
      case .turnedHalf: (right, bottom, (-1, 0), (0, -1))
      case .flipped: (0, bottom, (1, 0), (0, -1))
      case .transposed: (0, 0, (0, 1), (1, 0))
      case .turnedRight: (0, bottom, (0, -1), (1, 0))
      case .transversed: (right, bottom, (0, -1), (-1, 0))
      case .turnedLeft: (right, 0, (0, 1), (-1, 0))
      }
    let start = (y * width + x) * 3
    let columnStep = (column.1 * width + column.0) * 3
    let rowStep = (row.1 * width + row.0) * 3
    let count = pixels.count
    let turned = pixels.withUnsafeBufferPointer { old in
      [UInt8](unsafeUninitializedCapacity: count) { new, initialized in
        var target = 0
        for newY in 0..<newHeight {
          var source = start + newY * rowStep
          for _ in 0..<newWidth {
            new[target] = old[source]
            new[target + 1] = old[source + 1]
            new[target + 2] = old[source + 2]
            target += 3
            source += columnStep
          }
        }
        initialized = count
      }
    }
    return Image(width: newWidth, height: newHeight, pixels: turned)
  }
}
