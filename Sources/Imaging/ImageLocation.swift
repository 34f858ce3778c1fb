import Files

/// Where the bytes of an image are: a file of their own, or a part of one such as an archive.
public struct ImageLocation: Sendable, Equatable {
  /// What messages call the image: the file's path, of a part with its own name behind that.
  public let name: String
  /// The file to open.
  public let file: String
  /// The part of it that is the image; nil for all of it.
  public let part: Part?

  /// Some bytes of a file.
  public struct Part: Sendable, Equatable {
    /// Where they are.
    public let range: Range<Int>
    /// The file when they were found there; of another file they would be anything.
    public let version: FileVersion

    /// States a part.
    public init(range: Range<Int>, version: FileVersion) {
      (self.range, self.version) = (range, version)
    }
  }

  /// A file that is an image.
  public init(file: String) { (name, self.file, part) = (file, file, nil) }

  /// A part of a file.
  public init(name: String, file: String, part: Part) {
    (self.name, self.file, self.part) = (name, file, part)
  }
}
