import Files

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// An image file that is open: its header is known, its pixels are not decoded yet.
///
/// Opening reads the first 4 KiB, and more only where the header is longer, as with a large EXIF block
/// or colour profile. Each byte is read once, whether or not the image is decoded afterwards.
public struct ImageFile: Sendable {
  /// The path, as its user named it; of a part of a file with the part's name behind it.
  public let path: String
  /// The header.
  public let header: ImageHeader

  private let file: ReadableFile
  /// Where the image is in the file.
  private let range: Range<Int>
  private let decoder: ImageDecoder
  /// The image's first bytes, all that were read so far.
  private let start: [UInt8]

  /// What is read first, and by how much more each time that it does not suffice.
  private static let firstRead = 4096
  private static let growth = 16

  /// Opens a file, or the file that the image is a part of, and reads its header.
  init(
    _ location: ImageLocation, decoder: ImageDecoder, byteLimit: Int
  ) throws(ImageError) {
    path = location.name
    self.decoder = decoder
    do {
      file = try ReadableFile(path: location.file)
    } catch {
      throw .reading(path, error)
    }
    if let part = location.part, part.version != file.version {
      throw .changed(file: path, container: location.file)
    }
    range = location.part?.range ?? 0..<file.byteCount
    guard range.count <= byteLimit else {
      throw .tooManyBytes(file: path, bytes: range.count, limit: byteLimit)
    }
    var bytes: [UInt8] = []
    var wanted = Self.firstRead
    while true {
      bytes += try Self.read(file, range, bytes.count..<min(wanted, range.count), path)
      let isWhole = bytes.count == range.count
      do throws(ImageError) {
        header = try decoder.header(of: bytes, name: path)
        start = bytes
        return
      } catch {
        // What is wrong with a part of a file may be that it is a part.
        guard !isWhole, case .corrupt = error else { throw error }
      }
      wanted *= Self.growth
    }
  }

  /// The image's size in bytes, and when its file was last changed.
  public var version: FileVersion {
    FileVersion(byteCount: range.count, modified: file.version.modified)
  }

  /// A hash of the image's first 4 KiB, which other images hardly share.
  public var head: UInt64 {
    start.withUnsafeBytes {
      Fingerprint.hash(UnsafeRawBufferPointer(rebasing: $0.prefix(Self.firstRead)))
    }
  }

  /// Reads the rest and decodes.
  public func decode() throws(ImageError) -> Image { try decodeNoting().image }

  /// Reads the rest and decodes; also says what is wrong with the file where an image came of it all the
  /// same.
  public func decodeNoting() throws(ImageError) -> (image: Image, doubt: String?) {
    var bytes = start
    if bytes.count < range.count {
      bytes.reserveCapacity(range.count)
      bytes += try Self.read(file, range, bytes.count..<range.count, path)
    }
    return try decoder.decodeNoting(bytes, name: path)
  }

  /// Reads some of the image's bytes, counted from its first.
  private static func read(
    _ file: ReadableFile, _ image: Range<Int>, _ bytes: Range<Int>, _ path: String
  ) throws(ImageError) -> [UInt8] {
    do {
      return try file.bytes(
        image.lowerBound + bytes.lowerBound..<image.lowerBound + bytes.upperBound)
    } catch {
      throw .reading(path, error)
    }
  }
}

extension ImageError {
  /// A file that could not be read: for want of files or memory, or for a reason of its own.
  fileprivate static func reading(_ path: String, _ error: FileError) -> ImageError {
    if case .system(let code) = error.reason, [EMFILE, ENFILE, ENOMEM].contains(code) {
      return .exhausted(file: path, reason: error.inWords)
    }
    return .unreadable(file: path, reason: error.inWords)
  }
}

extension ImageFile {
  /// Writes beside `path` and renames; into a device or pipe, writes directly.
  static func save(_ bytes: [UInt8], to path: String, isDurable: Bool) throws(ImageError) {
    var status = stat()
    let kind = stat(path, &status) == 0 ? status.st_mode & S_IFMT : S_IFREG
    if kind == S_IFDIR { throw .cannotWrite(file: path, reason: "it is a folder") }
    if kind != S_IFREG { return try pass(bytes, to: path) }
    do {
      try AtomicFile.write(bytes, to: path, isDurable: isDurable)
    } catch {
      throw .cannotWrite(file: path, reason: error.inWords)
    }
  }

  private static func pass(_ bytes: [UInt8], to path: String) throws(ImageError) {
    let file = open(path, O_WRONLY | O_CLOEXEC)
    var code = file < 0 ? errno : 0
    if file >= 0 {
      code = bytes.withUnsafeBytes { SystemCalls.current.writeAll($0, to: file) }
      if close(file) != 0, code == 0 { code = errno }
    }
    if code != 0 { throw .cannotWrite(file: path, reason: String(cString: strerror(code))) }
  }
}

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

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Errors in reading and writing image files.
///
/// Each case carries the file's name.
public enum ImageError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file cannot be opened or read.
  case unreadable(file: String, reason: String)
  /// The system has no more files or memory to give; nothing is known of the file.
  case exhausted(file: String, reason: String)
  /// The file that the image is a part of has changed since the parts were listed.
  case changed(file: String, container: String)
  /// The file has no bytes.
  case empty(file: String)
  /// The first bytes are neither those of a PNG nor of a JPEG file; `seems` says what they are.
  case notAnImage(file: String, seems: String)
  /// The file is damaged, cut off, or uses a feature that is not supported.
  case corrupt(file: String, format: ImageFormat, reason: String)
  /// The header states more pixels than the decoder accepts. Nothing was allocated for them.
  case tooManyPixels(file: String, width: Int, height: Int, limit: Int)
  /// The file is larger than any image within the pixel limit could need.
  case tooManyBytes(file: String, bytes: Int, limit: Int)
  /// The image does not fit the format.
  case cannotEncode(file: String, format: ImageFormat, reason: String)
  /// The file cannot be written. A file that was there before is unchanged.
  case cannotWrite(file: String, reason: String)

  /// Whether it says nothing of the file, only that the system has no more to give.
  public var isExhaustion: Bool { if case .exhausted = self { true } else { false } }

  /// What was expected, what was found, and what to do, in a sentence or two.
  public var description: String {
    switch self {
    case .unreadable(let file, let reason):
      "\(file): cannot be read: \(reason). Check the path and the permissions."
    case .exhausted(let file, let reason):
      "\(file): cannot be opened: \(reason). That is a limit of the system, no fault of the file: "
        + "raise it (ulimit -n), or use fewer --threads."
    case .changed(let file, let container):
      "\(file): cannot be read: \(container) has changed since the images in it were listed. Run again."
    case .empty(let file):
      "\(file): the file is empty, expected a PNG or JPEG image. Download it again or remove it."
    case .notAnImage(let file, let seems):
      "\(file): expected a PNG or JPEG image, found \(seems). "
        + "Convert it to PNG or JPEG, or move it out of the folder."
    case .corrupt(let file, let format, let reason):
      "\(file): cannot be decoded as \(format.rawValue.uppercased()): \(reason). The file is "
        + "damaged or of a rare kind; download it again, save it as a plain PNG, or remove it."
    case .tooManyPixels(let file, let width, let height, let limit):
      "\(file): \(width)x\(height) pixels are more than the limit of \(limit). "
        + "Scale the image down."
    case .tooManyBytes(let file, let bytes, let limit):
      "\(file): \(bytes) bytes are more than the \(limit) that an image within the pixel limit can "
        + "take. Save it without attachments."
    case .cannotEncode(let file, let format, let reason):
      "\(file): cannot be encoded as \(format.rawValue.uppercased()): \(reason). "
        + "Choose the other format or a smaller image."
    case .cannotWrite(let file, let reason):
      "\(file): cannot be written: \(reason). Check the folder, its permissions and the free space."
    }
  }
}

extension ImageError {
  /// What the system says where it is at its limits or out of reach, whatever the file.
  private static let passing: Set<String> = Set(
    [EMFILE, ENFILE, ENOMEM, ENOBUFS, ESTALE, ETIMEDOUT, EAGAIN, EINTR].map {
      String(cString: strerror($0))
    })

  /// Whether the fault is the file's own, so that reading it again would end the same way.
  ///
  /// Not so where the process may open no more files, memory is short, or a file server is away.
  public var isOfTheFile: Bool {
    switch self {
    case .exhausted, .changed: return false
    case .unreadable(_, let reason): return !Self.passing.contains(reason)
    default: return true
    }
  }
}
