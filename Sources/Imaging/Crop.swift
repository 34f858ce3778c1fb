extension Image {
  /// The rectangle whose top left corner is at (`x`, `y`); it must lie inside.
  public func cropped(x: Int, y: Int, width: Int, height: Int) -> Image {
    precondition(
      x >= 0 && y >= 0 && width > 0 && height > 0 && x + width <= self.width
        && y + height <= self.height, "the rectangle lies in the image")
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
