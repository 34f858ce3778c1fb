import FileTestSupport
import Foundation

/// SHA-256 of byte arrays, by the `sha256sum` program.
enum CheckSums {
  private static let program = ["/usr/bin/sha256sum", "/bin/sha256sum", "/sbin/sha256sum"]
    .first { FileManager.default.isExecutableFile(atPath: $0) }

  static var isAvailable: Bool { program != nil }

  static func of(_ blocks: [[UInt8]]) throws -> [String] {
    let folder = try ScratchFolder()
    let names = blocks.indices.map { String(format: "%05d", $0) }
    for (name, block) in zip(names, blocks) { try folder.write(block, to: name) }
    let outcome = try CommandRunner.run(program: program ?? "", names, in: folder.path)
    return outcome.output.split(separator: "\n").map { String($0.prefix(64)) }
  }
}
