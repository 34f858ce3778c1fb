import Foundation

/// A folder of its own for one test, removed afterwards.
final class ScratchFolder: Sendable {
  /// Where it is.
  let path: String

  /// Makes a folder; its name holds a space and letters beyond ASCII, so that every test has them.
  init() throws {
    path = NSTemporaryDirectory() + "tessera commands ü \(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of something in it.
  func file(_ name: String) -> String { path + "/" + name }

  /// Makes a folder in it.
  func folder(_ name: String) throws -> String {
    let path = file(name)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  /// Writes a file in it, with the folders that it lies in.
  func write(_ bytes: [UInt8], to name: String) throws {
    let url = URL(fileURLWithPath: file(name))
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  /// All files in it, however deep, sorted.
  func files() -> [String] {
    let found = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
    return found.filter { name in
      var isFolder: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: file(name), isDirectory: &isFolder)
      return !isFolder.boolValue
    }.sorted()
  }
}
