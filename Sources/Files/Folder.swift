#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Folders of the file system.
public enum Folder {
  /// Creates a folder and its parents if they are missing.
  ///
  /// - Throws: a ``FileError`` that names the first folder that cannot be made.
  public static func make(_ path: String) throws(FileError) {
    let code = attempt(path)
    guard code != 0 else { return }
    guard code == ENOENT, let parent = parent(of: path) else {
      throw FileError(.write, path, .system(code))
    }
    try make(parent)
    let second = attempt(path)
    guard second == 0 else { throw FileError(.write, path, .system(second)) }
  }

  /// Makes one folder: 0, also where it is there already, or an `errno`.
  private static func attempt(_ path: String) -> Int32 {
    guard mkdir(path, 0o777) != 0 else { return 0 }
    let code = errno
    guard code == EEXIST else { return code }
    return isFolder(path) ? 0 : ENOTDIR
  }

  /// Whether a folder, or a link to one, is at a path.
  public static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// The folder that a path lies in; nil where its text names none.
  private static func parent(of path: String) -> String? {
    var bytes = Array(path.utf8)
    while bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")), slash > 0 else { return nil }
    return String(decoding: bytes[..<slash], as: UTF8.self)
  }
}
