/// The header of an image file.
public struct ImageHeader: Sendable, Equatable {
  /// PNG or JPEG.
  public let format: ImageFormat
  /// Pixels in a row as they are stored; an orientation tag may exchange the sides.
  public let width: Int
  /// Rows as they are stored.
  public let height: Int
  /// Whether pixels may be transparent: a PNG with an alpha channel or a tRNS chunk.
  public let hasTransparency: Bool

  /// States what a header states.
  public init(format: ImageFormat, width: Int, height: Int, hasTransparency: Bool) {
    self.format = format
    self.width = width
    self.height = height
    self.hasTransparency = hasTransparency
  }
}
