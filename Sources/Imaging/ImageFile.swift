import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The bytes of image files: read with a limit, written whole or not at all.
enum ImageFile {
  /// Reads a file to its end, or only a little of it if it does not start as an image does.
  static func load(_ path: String, byteLimit: Int) throws(ImageError) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else {
      throw [EMFILE, ENFILE, ENOMEM].contains(errno)
        ? .exhausted(file: path, reason: systemReason())
        : .unreadable(file: path, reason: systemReason())
    }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else {
      throw .unreadable(file: path, reason: systemReason())
    }
    let stated = Int(status.st_size)
    guard stated <= byteLimit else {
      throw .tooManyBytes(file: path, bytes: stated, limit: byteLimit)
    }
    var bytes: [UInt8] = []
    var startsAsImage = false
    // One byte more than stated, so that the last call finds the end.
    var chunk = [UInt8](repeating: 0, count: min(max(stated + 1, 4096), 1 << 16))
    while true {
      let count = chunk.withUnsafeMutableBytes { chunk in
        system { read(file, chunk.baseAddress, chunk.count) }
      }
      guard count >= 0 else { throw .unreadable(file: path, reason: systemReason()) }
      if count == 0 { return bytes }
      bytes.append(contentsOf: chunk[..<count])
      guard bytes.count <= byteLimit else {
        throw .tooManyBytes(file: path, bytes: bytes.count, limit: byteLimit)
      }
      if !startsAsImage, bytes.count >= 16 {
        guard ImageFormat(startOf: bytes) != nil else { return bytes }
        startsAsImage = true
        bytes.reserveCapacity(stated)
      }
    }
  }

  /// Writes beside `path` and renames; into a device or pipe, writes directly.
  static func save(_ bytes: [UInt8], to path: String) throws(ImageError) {
    // A link stays a link: what it points to is replaced.
    let target = resolved(path)
    var status = stat()
    let kind = stat(target, &status) == 0 ? status.st_mode & S_IFMT : S_IFREG
    if kind == S_IFDIR { throw .cannotWrite(file: path, reason: "it is a folder") }
    if kind != S_IFREG {
      let file = open(target, O_WRONLY | O_CLOEXEC)
      guard file >= 0 else { throw .cannotWrite(file: path, reason: systemReason()) }
      return try finish(file, bytes, path: path, synchronizes: false)
    }
    let folder = target.lastIndex(of: "/").map { String(target[...$0]) } ?? ""
    let number = serial.add(1, ordering: .relaxed).oldValue
    let temporary = "\(folder).partial-\(getpid())-\(number)"
    let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw .cannotWrite(file: path, reason: systemReason()) }
    do throws(ImageError) {
      try finish(file, bytes, path: path, synchronizes: true)
      guard rename(temporary, target) == 0 else {
        throw .cannotWrite(file: path, reason: systemReason())
      }
    } catch {
      unlink(temporary)
      throw error
    }
  }

  private static let serial = Atomic<Int>(0)

  /// Writes everything and closes.
  ///
  /// A full disk may only show when the file is synchronised.
  private static func finish(
    _ file: Int32, _ bytes: [UInt8], path: String, synchronizes: Bool
  ) throws(ImageError) {
    var reason: String?
    var offset = 0
    while offset < bytes.count, reason == nil {
      let count = bytes.withUnsafeBytes { bytes in
        system { write(file, bytes.baseAddress! + offset, bytes.count - offset) }
      }
      if count < 0 { reason = systemReason() } else { offset += count }
    }
    if reason == nil, synchronizes, fsync(file) != 0 { reason = systemReason() }
    if close(file) != 0, reason == nil { reason = systemReason() }
    if let reason { throw .cannotWrite(file: path, reason: reason) }
  }

  private static func resolved(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }

  /// Calls again while a signal interrupts.
  private static func system(_ call: () -> Int) -> Int {
    while true {
      let result = call()
      if result >= 0 || errno != EINTR { return result }
    }
  }

  private static func systemReason() -> String { String(cString: strerror(errno)) }
}
