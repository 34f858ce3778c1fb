#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Why a file could not be read or written: which file, what failed, and the way out.
public struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The operation on the file.
  public enum Action: String, Sendable {
    case read, write
  }

  /// The cause.
  public enum Reason: Equatable, Sendable {
    /// The operating system's `errno`.
    case system(Int32)
    /// A folder, a device or a pipe stands where a file should.
    case notARegularFile
    /// Another writer holds the same file at this moment.
    case busy
    /// The file ends before what was to be read: it was cut short meanwhile.
    case cutShort
    /// Another file has taken its place meanwhile.
    case replaced
    /// It has more bytes than anything of its kind needs.
    case tooLarge(limit: Int)
    /// The new file is in its place, but the system could not say that it is on the disk (`errno`).
    case unconfirmed(Int32)
  }

  /// The operation.
  public let action: Action
  /// The file, as its user named it.
  public let path: String
  /// The cause.
  public let reason: Reason

  /// States a failure.
  public init(_ action: Action, _ path: String, _ reason: Reason) {
    self.action = action
    self.path = path
    self.reason = reason
  }

  /// True when there was no room left: the disk is full, or the user's share of it is.
  public var isDiskFull: Bool { reason == .system(ENOSPC) || reason == .system(EDQUOT) }

  /// True when the new file took its place all the same.
  public var isInPlace: Bool { if case .unconfirmed = reason { true } else { false } }

  /// True when the file to read, or the folder to write into, is not there.
  public var isMissing: Bool { reason == .system(ENOENT) || reason == .system(ENOTDIR) }

  /// The reason alone, in a few words.
  public var inWords: String {
    switch reason {
    case .notARegularFile: "it is a folder, a pipe or a device, not a regular file"
    case .busy: "another process is writing it"
    case .cutShort: "it was cut short while it was read"
    case .replaced: "another file took its place while it was read"
    case .tooLarge(let limit): "it has more than \(limit) bytes"
    case .unconfirmed(let code), .system(let code): String(cString: strerror(code))
    }
  }

  /// One or two sentences: the file, the reason, the way out.
  public var description: String {
    switch reason {
    case .notARegularFile:
      return "cannot \(action.rawValue) \(path): it is a folder, a pipe or a device, not a regular "
        + "file. Name a file."
    case .busy:
      return "cannot write \(path): another process is writing it at this moment. "
        + "Wait for that one or stop it, or name another file."
    case .cutShort:
      return "cannot read \(path): it ends before what was to be read; it was cut short meanwhile. "
        + "Copy or write it again."
    case .replaced:
      return "cannot read \(path): another file has taken its place meanwhile. Run again."
    case .tooLarge(let limit):
      return "cannot read \(path): it has more than the \(limit) bytes that such a file can have. "
        + "Check the path."
    case .unconfirmed(let code):
      return "\(path) is written, but it may not outlast a loss of power: forcing its folder onto "
        + "the disk failed: \(String(cString: strerror(code))). Check the disk."
    case .system(let code):
      return "cannot \(action.rawValue) \(path): \(String(cString: strerror(code))). "
        + wayOut(code)
    }
  }

  private func wayOut(_ code: Int32) -> String {
    switch (action, code) {
    case (.write, ENOSPC), (.write, EDQUOT):
      "The disk is full; a file that was there before is still whole. "
        + "Free some space or choose a folder on another disk, and run again."
    case (.write, EFBIG):
      "The file system, or the limit set by `ulimit -f`, allows no file of this size."
    case (.write, ENOENT), (.write, ENOTDIR):
      "Create the folder it lies in first."
    case (.read, ENOENT), (.read, ENOTDIR):
      "Check the spelling of the path."
    case (_, EACCES), (_, EPERM), (_, EROFS):
      "Change the permissions, or choose another folder."
    case (.write, _):
      "A file that was there before is still whole."
    case (.read, _):
      "Check the disk and the permissions."
    }
  }
}
