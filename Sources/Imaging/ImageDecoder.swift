import CJPEG
import CPNG

/// Reads PNG and JPEG files as 8-bit RGB.
///
/// The first bytes decide the format, not the file's name. Gray and palette images are expanded to
/// RGB, 16-bit samples are reduced by `>> 8`, and colour profiles and gamma are ignored. CMYK becomes
/// RGB by `(255 - c)(255 - k) / 255`. The size is checked against the pixel limit before anything is
/// allocated for it. Whatever is wrong with a file is an `ImageError`.
///
/// With a background b, a pixel of colour c and alpha a becomes `(c a + b (255 - a)) / 255`, rounded
/// to the nearest (there are no ties). Of 16-bit images the same is done at 16 bits, with 65535 for
/// 255 and 257 b for b, before `>> 8`. So opaque pixels keep their colour to the bit.
public struct ImageDecoder: Sendable {
  /// 89,478,485 pixels: a quarter of a gibibyte as 8-bit RGB.
  public static let defaultPixelLimit = 89_478_485

  /// Images of more pixels are refused.
  public let pixelLimit: Int
  /// Whether the EXIF orientation tag turns the pixels upright.
  public let appliesOrientation: Bool
  /// What transparent pixels are composited over; nil drops alpha and keeps the stored colours.
  public let background: PixelColor?
  /// Whether composited pixels are rounded down, in double precision, from 8 bits.
  public let roundsBlendsDown: Bool

  /// No encoder writes more scans; each costs a walk over the image.
  private static let scanLimit: Int32 = 100

  /// A decoder with a pixel limit that turns images upright and drops alpha, if nothing else is said.
  public init(
    pixelLimit: Int = defaultPixelLimit, appliesOrientation: Bool = true,
    background: PixelColor? = nil, roundsBlendsDown: Bool = false
  ) {
    precondition(pixelLimit > 0, "the pixel limit is positive")
    precondition(!roundsBlendsDown || background == .white, "known for white only")
    self.pixelLimit = pixelLimit
    self.appliesOrientation = appliesOrientation
    self.background = background
    self.roundsBlendsDown = roundsBlendsDown
  }

  /// `(1 - a / 255) 255 + (a / 255) c` in double precision, rounded down, at 256 a + c.
  private static let blendsOverWhite: [UInt8] = (0..<65536).map {
    let (alpha, color) = (Double($0 / 256) / 255, Double($0 % 256))
    return UInt8((1 - alpha) * 255 + alpha * color)
  }

  /// Decodes a file's bytes; `name` is for error messages.
  public func decode(_ bytes: [UInt8], name: String) throws(ImageError) -> Image {
    try decodeNoting(bytes, name: name).image
  }

  /// Decodes a file's bytes; also says what is wrong with an image that came of them all the same, as
  /// of a JPEG whose data are damaged in some place.
  func decodeNoting(
    _ bytes: [UInt8], name: String
  ) throws(ImageError) -> (image: Image, doubt: String?) {
    let header = try header(of: bytes, name: name)
    let (format, width, height) = (header.format, header.width, header.height)
    let background = background.map { [$0.red, $0.green, $0.blue] }
    var message = [CChar](repeating: 0, count: Self.messageSize)
    var status: Int32 = 1
    // Not initialised first, so that a header alone never makes the system hand out memory.
    let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { pixels, count in
      switch format {
      case .png:
        status = cpng_decode(
          bytes, bytes.count, UInt32(width), UInt32(height), background,
          roundsBlendsDown ? Self.blendsOverWhite : nil, pixels.baseAddress, &message)
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
    let doubt = format == .jpeg && message[0] != 0 ? Self.text(message) : nil
    return (image.turned(orientation(of: bytes)), doubt)
  }

  /// Opens a file and reads its header.
  ///
  /// Named pipes, sockets and devices are refused, never waited for.
  public func open(_ path: String) throws(ImageError) -> ImageFile {
    try open(ImageLocation(file: path))
  }

  /// The same of an image that may be a part of a file.
  public func open(_ location: ImageLocation) throws(ImageError) -> ImageFile {
    // 16-bit RGBA is the most a pixel takes, uncompressed; attachments get as much as a profile
    // and a preview need.
    let (pixels, overflows) = pixelLimit.multipliedReportingOverflow(by: 8)
    let limit = overflows ? Int.max / 2 : pixels
    return try ImageFile(location, decoder: self, byteLimit: limit + (64 << 20))
  }

  /// Reads and decodes a file.
  public func read(_ path: String) throws(ImageError) -> Image {
    try open(path).decode()
  }

  /// Width and height of the image `decode` would return, from the header alone.
  public func size(of bytes: [UInt8], name: String) throws(ImageError) -> (width: Int, height: Int)
  {
    let header = try header(of: bytes, name: name)
    return orientation(of: bytes).swapsSides
      ? (header.height, header.width) : (header.width, header.height)
  }

  /// Reads the header; the bytes may end after it.
  public func header(of bytes: [UInt8], name: String) throws(ImageError) -> ImageHeader {
    let format = try format(of: bytes, name: name)
    var (width, height) = (0 as UInt32, 0 as UInt32)
    var hasAlpha: Int32 = 0
    var message = [CChar](repeating: 0, count: Self.messageSize)
    let status =
      switch format {
      case .png: cpng_read_header(bytes, bytes.count, &width, &height, &hasAlpha, &message)
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
    return ImageHeader(
      format: format, width: Int(width), height: Int(height), hasTransparency: hasAlpha != 0)
  }

  private static let messageSize = max(Int(CPNG_MESSAGE_SIZE), Int(CJPEG_MESSAGE_SIZE))

  private static func text(_ message: [CChar]) -> String {
    String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
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
}
