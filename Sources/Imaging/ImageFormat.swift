/// The file formats that are read and written.
public enum ImageFormat: String, Sendable, CaseIterable {
  case png
  case jpeg

  /// The usual ending of file names, without the dot: `png` or `jpg`.
  public var fileExtension: String { self == .png ? "png" : "jpg" }

  /// The format by the first bytes, nil if neither; the file name does not matter.
  public init?(startOf bytes: some Collection<UInt8>) {
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else {
      return nil
    }
  }

  /// A guess in words at what bytes that are neither PNG nor JPEG are: "a GIF image", "text".
  static func guess(_ bytes: some Collection<UInt8>) -> String {
    for (signature, name) in signatures where bytes.starts(with: signature) { return name }
    if bytes.starts(with: Array("RIFF".utf8)),
      bytes.dropFirst(8).starts(with: Array("WEBP".utf8))
    {
      return "a WebP image"
    }
    if bytes.dropFirst(4).starts(with: Array("ftyp".utf8)) {
      return "an HEIC or AVIF image, or a film"
    }
    let isText = bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || (0x09...0x0D).contains($0) }
    return isText ? "text" : "something unknown"
  }

  private static let signatures: [([UInt8], String)] = [
    (Array("GIF8".utf8), "a GIF image"),
    (Array("BM".utf8), "a BMP image"),
    ([0x49, 0x49, 0x2A, 0x00], "a TIFF image"),
    ([0x4D, 0x4D, 0x00, 0x2A], "a TIFF image"),
    ([0xFF, 0x0A], "a JPEG XL image"),
    ([0x00, 0x00, 0x00, 0x0C, 0x4A, 0x58, 0x4C, 0x20], "a JPEG XL image"),
    ([0x00, 0x00, 0x00, 0x0C, 0x6A, 0x50, 0x20, 0x20], "a JPEG 2000 image"),
    (Array("qoif".utf8), "a QOI image"),
    (Array("<svg".utf8), "an SVG drawing"),
    (Array("%PDF".utf8), "a PDF document"),
    (Array("PK\u{3}\u{4}".utf8), "a ZIP archive"),
    ([0x1F, 0x8B], "a gzip archive"),
    (Array("version https://git-lfs".utf8), "a Git LFS pointer"),
  ]
}
