import TokenFiles

/// The tokens of many images on disk, as `encode` writes them, read one image at a time.
///
/// ```swift
/// for entry in try TokenFile(path: "tokens.safetensors") {
///   print(entry.name, try entry.tokens().ids)
/// }
/// ```
///
/// Memory holds the names and sizes of the images, never the ids. A file may be read from several
/// tasks at once.
public struct TokenFile: Sendable, Sequence {
  /// One image of a file: its name and size, and its ids when they are asked for.
  public struct Entry: Sendable {
    /// Its place in the file, from 0.
    public let index: Int
    /// The image's path, relative to where encoding began.
    public let name: String
    /// Pixels in a row of the image.
    public let width: Int
    /// Rows of pixels of the image.
    public let height: Int
    /// Rows of the grid of tokens.
    public let rows: Int
    /// Columns of the grid of tokens.
    public let columns: Int

    fileprivate let file: TokenFiles.TokenFile

    /// Reads the image's tokens.
    ///
    /// - Throws: ``TesseraError`` `badFile` where the file was cut, changed or replaced since it
    ///   was opened.
    /// - Complexity: linear in the ids of this image.
    public func tokens() throws(TesseraError) -> Tokens {
      try translatingErrors {
        Tokens(try file.record(at: index), depth: file.identity.depth)
      }
    }
  }

  /// Goes through the images in their order.
  public struct Iterator: IteratorProtocol {
    fileprivate let file: TokenFile
    fileprivate var index = 0

    /// The next image; nil at the end.
    public mutating func next() -> Entry? {
      guard index < file.count else { return nil }
      defer { index += 1 }
      return file.entry(index)
    }
  }

  /// The tokenizer that made the tokens.
  public var identity: TokenizerIdentity { file.identity }
  /// The number of images.
  public var count: Int { file.count }

  private let file: TokenFiles.TokenFile

  /// Opens a token file, and checks all of it: sizes, every id, the checksum.
  ///
  /// - Parameters:
  ///   - path: `tokens.safetensors`, `tokens.npy` or `tokens.bin`; of shards the name without their
  ///     numbers.
  ///   - tokenizer: the one that is to decode them, which is refused where another made them; with
  ///     it, ids without metadata can be read as well, as another program writes them: integers
  ///     `[N, rows, columns]`.
  /// - Throws: ``TesseraError``: `notFound`; `badFile` where something is damaged, no tokens, or of
  ///   another tokenizer.
  /// - Complexity: linear in the bytes of the file.
  public init(path: String, for tokenizer: Tokenizer? = nil) throws(TesseraError) {
    file = try translatingErrors {
      let assumption = tokenizer.map { tokenizer in
        let side = tokenizer.configuration.data.imageSize / tokenizer.downsampling
        return TokenAssumption(identity: tokenizer.identity, gridHeight: side, gridWidth: side)
      }
      let file = try TokenFiles.TokenFile.open(path: path, assuming: assumption)
      if let tokenizer { try file.check(against: tokenizer.identity) }
      return file
    }
  }

  /// Goes through the images in their order.
  public func makeIterator() -> Iterator { Iterator(file: self) }

  /// One image.
  ///
  /// - Parameter index: its place, from 0.
  /// - Throws: ``TesseraError`` `argument` where the file has fewer images.
  public func entry(at index: Int) throws(TesseraError) -> Entry {
    guard (0..<count).contains(index) else {
      throw TesseraError(
        .argument, "image \(index): expected 0 to \(count - 1), as the file holds \(count) images")
    }
    return entry(index)
  }

  private func entry(_ index: Int) -> Entry {
    let shape = file.shape(at: index)
    return Entry(
      index: index, name: shape.path, width: shape.width, height: shape.height,
      rows: shape.gridHeight, columns: shape.gridWidth, file: file)
  }
}
