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
  /// The path, as its user named it.
  public let path: String
  /// The header.
  public let header: ImageHeader

  private let file: ReadableFile
  private let decoder: ImageDecoder
  /// The file's first bytes, all that were read so far.
  private let start: [UInt8]

  /// What is read first, and by how much more each time that it does not suffice.
  private static let firstRead = 4096
  private static let growth = 16

  /// Opens a file and reads its header.
  init(path: String, decoder: ImageDecoder, byteLimit: Int) throws(ImageError) {
    self.path = path
    self.decoder = decoder
    do {
      file = try ReadableFile(path: path)
    } catch {
      throw .reading(path, error)
    }
    guard file.byteCount <= byteLimit else {
      throw .tooManyBytes(file: path, bytes: file.byteCount, limit: byteLimit)
    }
    var bytes: [UInt8] = []
    var wanted = Self.firstRead
    while true {
      bytes += try Self.read(file, bytes.count..<min(wanted, file.byteCount))
      let isWhole = bytes.count == file.byteCount
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

  /// Reads the rest and decodes.
  public func decode() throws(ImageError) -> Image { try decodeNoting().image }

  /// Reads the rest and decodes; also says what is wrong with the file where an image came of it all the
  /// same.
  public func decodeNoting() throws(ImageError) -> (image: Image, doubt: String?) {
    var bytes = start
    if bytes.count < file.byteCount {
      bytes.reserveCapacity(file.byteCount)
      bytes += try Self.read(file, bytes.count..<file.byteCount)
    }
    return try decoder.decodeNoting(bytes, name: path)
  }

  private static func read(
    _ file: ReadableFile, _ range: Range<Int>
  ) throws(ImageError) -> [UInt8] {
    do { return try file.bytes(range) } catch {
      throw .reading(file.path, error)
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
