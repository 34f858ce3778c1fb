import Inference
import TokenFiles

/// One image as tokens: a grid of ids, row by row from the top left.
///
/// A token stands for a square of pixels. Of most quantizers it is one id; of residual and product
/// quantizers it is ``depth`` ids, which lie together.
public struct Tokens: Sendable, Equatable {
  /// Rows of the grid.
  public let rows: Int
  /// Columns of the grid.
  public let columns: Int
  /// Ids to a token.
  public let depth: Int
  /// The ids, `[rows, columns, depth]`, each below the tokenizer's codebook size.
  public let ids: [Int32]
  /// Pixels in a row of the image; nil where it is as wide as its grid.
  public let width: Int?
  /// Rows of pixels of the image; nil where it is as high as its grid.
  public let height: Int?

  /// A grid of ids, such as a generative model put out.
  ///
  /// Whether the ids are of a codebook is checked where they are decoded.
  ///
  /// - Parameters:
  ///   - ids: `rows * columns * depth` of them, the ids of a token together.
  ///   - rows: at least 1.
  ///   - columns: at least 1.
  ///   - depth: ids to a token, at least 1.
  ///   - width: pixels in a row of the image, where it is narrower than the grid.
  ///   - height: rows of pixels of the image, where it is lower than the grid.
  /// - Throws: ``TesseraError`` `argument` where the counts do not agree, or an id does not fit in
  ///   32 bits.
  /// - Complexity: linear in the ids.
  public init(
    ids: [some BinaryInteger], rows: Int, columns: Int, depth: Int = 1, width: Int? = nil,
    height: Int? = nil
  ) throws(TesseraError) {
    guard rows > 0, columns > 0, depth > 0 else {
      throw TesseraError(
        .argument,
        "expected a grid of at least one token, found \(rows) rows, \(columns) columns and a depth of "
          + "\(depth)")
    }
    let (cells, isTooLarge) = rows.multipliedReportingOverflow(by: columns)
    let (count, overflows) = cells.multipliedReportingOverflow(by: depth)
    guard !isTooLarge, !overflows, ids.count == count else {
      throw TesseraError(
        .argument,
        "expected \(rows) x \(columns)\(depth > 1 ? " x \(depth)" : "") ids, found \(ids.count)")
    }
    for (name, side) in [("width", width), ("height", height)] {
      if let side, side < 1 {
        throw TesseraError(.argument, "\(name): expected at least 1 pixel, found \(side)")
      }
    }
    var numbers: [Int32] = []
    numbers.reserveCapacity(ids.count)
    for (place, id) in ids.enumerated() {
      guard let number = Int32(exactly: id), number >= 0 else {
        throw TesseraError(
          .argument, "id \(place) is \(id): expected a code's index, at least 0 and below 2^31")
      }
      numbers.append(number)
    }
    (self.rows, self.columns, self.depth, self.ids) = (rows, columns, depth, numbers)
    (self.width, self.height) = (width, height)
  }

  /// What a codec made of an image of a size in pixels.
  init(_ grid: TokenGrid, width: Int, height: Int) {
    (rows, columns, depth, ids) = (grid.height, grid.width, grid.depth, grid.indices)
    (self.width, self.height) = (width, height)
  }

  /// What a token file holds of an image.
  init(_ record: TokenRecord, depth: Int) {
    (rows, columns, self.depth) = (record.gridHeight, record.gridWidth, depth)
    ids = record.tokens.map { Int32(bitPattern: $0) }
    (width, height) = (record.width, record.height)
  }

  /// The ids of one token, ``depth`` of them; nil outside the grid.
  public subscript(row: Int, column: Int) -> ArraySlice<Int32>? {
    guard (0..<rows).contains(row), (0..<columns).contains(column) else { return nil }
    let start = (row * columns + column) * depth
    return ids[start..<start + depth]
  }

  /// The grid as the codec takes it.
  var grid: TokenGrid { TokenGrid(height: rows, width: columns, depth: depth, indices: ids) }
}

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
    /// The image's class, one of the file's ``TokenFile/classes``; nil where it has none.
    public let className: String?

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
  /// The names of the images' classes, which were folders when the images were encoded; empty where
  /// the file names none.
  public var classes: [String] { file.classes }

  private let file: TokenFiles.TokenFile

  /// Opens a token file, and checks all of it: sizes, every id, the checksum.
  ///
  /// - Parameters:
  ///   - path: `tokens.safetensors`, `tokens.npy` or `tokens.bin`; of shards the name without their
  ///     numbers.
  ///   - tokenizer: the one that is to decode them, which is refused where another made them whose
  ///     tokens it does not keep (``Tokenizer/keptFingerprints``); with it, ids without metadata can be
  ///     read as well, as another program writes them: integers `[N, rows, columns]`.
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
      if let tokenizer {
        try file.check(against: tokenizer.identity, keeping: tokenizer.keptFingerprints)
      }
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
      rows: shape.gridHeight, columns: shape.gridWidth,
      className: shape.label.map { file.classes[$0] }, file: file)
  }
}
