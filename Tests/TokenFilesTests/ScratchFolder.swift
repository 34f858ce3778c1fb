import Foundation

/// A folder of its own for one test, removed afterwards.
final class ScratchFolder {
  let path: String

  init() throws {
    // Spaces and letters beyond ASCII: every test also tests those.
    path = NSTemporaryDirectory() + "tessera files ü \(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  func contents() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path).sorted()
  }

  static func read(_ path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  /// Writes as any other program would: in place, without care.
  static func put(_ bytes: [UInt8], at path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }
}
