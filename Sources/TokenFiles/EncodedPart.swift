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

  private enum CodingKeys: String, CodingKey {
    case number = "part"
    case total = "of"
    case images, names
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

  /// Why this makes no sense; nil where it does.
  var problem: String? {
    guard total >= 1, (1...total).contains(number), images >= 0, images < 1 << 40 else {
      return "expected a part from 1 to the number of parts, found \(number) of \(total)"
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
