import CJPEG
import CPNG

/// Reads PNG and JPEG files as 8-bit RGB.
///
/// The first bytes decide the format, not the file's name. Gray and palette images are expanded to
/// RGB, alpha is dropped (the stored colours are kept, nothing is composited), 16-bit samples are
/// reduced by `>> 8`, and colour profiles and gamma are ignored. CMYK becomes RGB by
/// `(255 - c)(255 - k) / 255`. The size is checked against the pixel limit before anything is
/// allocated for it. Whatever is wrong with a file is an `ImageError`.
public struct ImageDecoder: Sendable {
  /// 89,478,485 pixels: a quarter of a gibibyte as 8-bit RGB.
  public static let defaultPixelLimit = 89_478_485

  /// Images of more pixels are refused.
  public let pixelLimit: Int
  /// Whether the EXIF orientation tag turns the pixels upright.
  public let appliesOrientation: Bool

  /// No encoder writes more scans; each costs a walk over the image.
  private static let scanLimit: Int32 = 100

  /// A decoder with a pixel limit that turns images upright.
  public init(pixelLimit: Int = defaultPixelLimit, appliesOrientation: Bool = true) {
    precondition(pixelLimit > 0, "the pixel limit is positive")
    self.pixelLimit = pixelLimit
    self.appliesOrientation = appliesOrientation
  }

  /// Decodes a file's bytes; `name` is for error messages.
  public func decode(_ bytes: [UInt8], name: String) throws(ImageError) -> Image {
    let format = try format(of: bytes, name: name)
    let (width, height) = try storedSize(of: bytes, as: format, name: name)
    var message = [CChar](repeating: 0, count: Self.messageSize)
    var status: Int32 = 1
    // Not initialised first, so that a header alone never makes the system hand out memory.
    let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { pixels, count in
      switch format {
      case .png:
        status = cpng_decode(
          bytes, bytes.count, UInt32(width), UInt32(height), pixels.baseAddress, &message)
      case .jpeg:
        status = cjpeg_decode(
          bytes, bytes.count, UInt32(width), UInt32(height), Self.scanLimit, pixels.baseAddress,
          &message)
      }
      count = status == 0 ? width * height * 3 : 0
    }
    guard status == 0 else {
      throw .corrupt(file: name, format: format, reason: Self.text(message))
    }
    let image = Image(width: width, height: height, pixels: pixels)
    return image.turned(orientation(of: bytes))
  }

  /// Reads and decodes a file.
  public func read(_ path: String) throws(ImageError) -> Image {
    try decode(try bytes(of: path), name: path)
  }

  /// Width and height of the image `decode` would return, from the header alone.
  public func size(of bytes: [UInt8], name: String) throws(ImageError) -> (width: Int, height: Int)
  {
    let (width, height) = try storedSize(
      of: bytes, as: try format(of: bytes, name: name), name: name)
    return orientation(of: bytes).swapsSides ? (height, width) : (width, height)
  }

  /// Width and height of the image `read` would return, from the header alone.
  public func readSize(_ path: String) throws(ImageError) -> (width: Int, height: Int) {
    try size(of: try bytes(of: path), name: path)
  }

  private static let messageSize = max(Int(CPNG_MESSAGE_SIZE), Int(CJPEG_MESSAGE_SIZE))

  private static func text(_ message: [CChar]) -> String {
    String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private func bytes(of path: String) throws(ImageError) -> [UInt8] {
    // 16-bit RGBA is the most a pixel takes, uncompressed; attachments get as much as a profile
    // and a preview need.
    let (pixels, overflows) = pixelLimit.multipliedReportingOverflow(by: 8)
    let limit = overflows ? Int.max / 2 : pixels
    return try ImageFile.load(path, byteLimit: limit + (64 << 20))
  }

  private func format(of bytes: [UInt8], name: String) throws(ImageError) -> ImageFormat {
    if bytes.isEmpty { throw .empty(file: name) }
    guard let format = ImageFormat(startOf: bytes) else {
      throw .notAnImage(file: name, seems: ImageFormat.guess(bytes.prefix(4096)))
    }
    return format
  }

  private func orientation(of bytes: [UInt8]) -> Orientation {
    guard appliesOrientation, let tag = Orientation.tag(in: bytes) else { return .upright }
    return Orientation(rawValue: tag) ?? .upright
  }

  private func storedSize(of bytes: [UInt8], as format: ImageFormat, name: String)
    throws(ImageError) -> (width: Int, height: Int)
  {
    var width: UInt32 = 0
    var height: UInt32 = 0
    var message = [CChar](repeating: 0, count: Self.messageSize)
    let status =
      switch format {
      case .png: cpng_read_size(bytes, bytes.count, &width, &height, &message)
      case .jpeg: cjpeg_read_size(bytes, bytes.count, &width, &height, &message)
      }
    guard status == 0 else {
      throw .corrupt(file: name, format: format, reason: Self.text(message))
    }
    if format == .png, let complaint = PNGChunks.complaint(about: bytes) {
      throw .corrupt(file: name, format: format, reason: complaint)
    }
    // Both are below 2^31, so the product fits.
    guard Int(width) * Int(height) <= pixelLimit else {
      throw .tooManyPixels(
        file: name, width: Int(width), height: Int(height), limit: pixelLimit)
    }
    return (Int(width), Int(height))
  }
}
