import Files

/// A share of a set of images that several programs encode side by side: which one, and of what.
///
/// The set is cut into `total` ranges of its order, as equal as they can be, so that the parts one after the
/// other are the whole, whatever their number.
public struct EncodedPart: Codable, Equatable, Sendable {
  /// Which part, from 1.
  public let number: Int
  /// How many parts there are.
  public let total: Int
  /// Images of the whole set, also those that could not be used.
  public let images: Int
  /// A hash of the names of the whole set, in order.
  public let names: String
  /// Images of its own that were encoded, mirror images too; nil while it is not complete, and where the
  /// file itself tells.
  public internal(set) var encodedCount: Int?
  /// How many of its images could not be used; nil while it is not complete.
  public internal(set) var rejectedCount: Int?
  /// The first of these, and why.
  public internal(set) var rejected: [Rejection]?

  /// An image that could not be used.
  public struct Rejection: Codable, Equatable, Sendable {
    /// Its path.
    public let path: String
    /// What is wrong with it, and what to do.
    public let reason: String

    /// States why an image cannot be used.
    public init(path: String, reason: String) { (self.path, self.reason) = (path, reason) }
  }

  /// A header has no room for the reasons of any number of images.
  static let mostRejections = 1000

  private enum CodingKeys: String, CodingKey {
    case number = "part"
    case total = "of"
    case images, names, rejected
    case encodedCount = "encoded_count"
    case rejectedCount = "rejected_count"
  }

  /// One part of a set.
  ///
  /// - Parameters:
  ///   - number: 1...total.
  ///   - names: of all images, in order.
  public init(_ number: Int, of total: Int, names: some Collection<String>) {
    precondition((1...max(1, total)).contains(number), "part \(number) of \(total)")
    (self.number, self.total, images) = (number, total, names.count)
    var stream = Fingerprint.Stream()
    for name in names {
      var name = name
      // No name holds a zero byte.
      name.withUTF8 { stream.add(UnsafeRawBufferPointer($0)) }
      withUnsafeBytes(of: UInt8(0)) { stream.add($0) }
    }
    self.names = Fingerprint.hexadecimal(stream.value)
  }

  /// The places of its images in the set.
  public var range: Range<Int> { range(ofPart: number) }

  /// The places of another part's images.
  public func range(ofPart number: Int) -> Range<Int> {
    images * (number - 1) / total..<images * number / total
  }

  /// The same part, complete: with what could not be used of it.
  func completed(_ rejected: [Rejection], encoded: Int? = nil) -> EncodedPart {
    var part = begun
    (part.encodedCount, part.rejectedCount) = (encoded, rejected.count)
    part.rejected = rejected.isEmpty ? nil : Array(rejected.prefix(Self.mostRejections))
    return part
  }

  /// The same part, of which nothing is known to be done.
  var begun: EncodedPart {
    var part = self
    (part.encodedCount, part.rejectedCount, part.rejected) = (nil, nil, nil)
    return part
  }

  /// Why this makes no sense; nil where it does.
  var problem: String? {
    guard total >= 1, (1...total).contains(number), images >= 0, images < 1 << 40 else {
      return "expected a part from 1 to the number of parts, found \(number) of \(total)"
    }
    guard (rejectedCount ?? 0) >= rejected?.count ?? 0, (encodedCount ?? 0) >= 0 else {
      return "expected a count of what could not be used, found \(rejectedCount ?? 0) of "
        + "\(rejected?.count ?? 0)"
    }
    return nil
  }

  /// Whether another is of the same set, cut in the same way.
  public func isBeside(_ other: EncodedPart) -> Bool {
    (total, images, names) == (other.total, other.images, other.names)
  }

  /// The name of a part's file, without its ending: `tokens.part-2-of-8` of `tokens`.
  public static func stem(_ stem: String, _ number: Int, of total: Int) -> String {
    "\(stem).part-\(number)-of-\(total)"
  }
}
