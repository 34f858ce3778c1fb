import Foundation

/// SHA-256 of byte arrays, by the `sha256sum` program.
enum CheckSums {
  private static let program = ["/usr/bin/sha256sum", "/bin/sha256sum", "/sbin/sha256sum"]
    .first { FileManager.default.isExecutableFile(atPath: $0) }

  static var isAvailable: Bool { program != nil }

  static func of(_ blocks: [[UInt8]]) throws -> [String] {
    let folder = try TemporaryFolder()
    let names = blocks.indices.map { String(format: "%05d", $0) }
    for (name, block) in zip(names, blocks) { try Data(block).write(to: folder.url(name)) }
    let process = Process()
    process.executableURL = URL(filePath: program ?? "")
    process.arguments = names
    process.currentDirectoryURL = folder.url
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return String(decoding: output, as: UTF8.self).split(separator: "\n").map {
      String($0.prefix(64))
    }
  }
}

/// A folder that goes with its owner.
final class TemporaryFolder: Sendable {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "imaging-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func url(_ name: String) -> URL { url.appending(path: name) }
  func path(_ name: String) -> String { url(name).path }
  var contents: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: url.path).sorted() }
  }
}
