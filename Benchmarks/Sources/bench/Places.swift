import Foundation
import SceneRendering

/// Where things lie: all paths are relative to the root of the repository.
enum Places {
  /// An executable of Tessera: of this build, or of the folder that `TESSERA_BIN` names.
  static func executable(_ name: String) throws -> String {
    let folder = ProcessInfo.processInfo.environment["TESSERA_BIN"] ?? ".build/release"
    let path = folder + "/" + name
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw BenchmarkError(
        "\(path) is not there. Run make build first, and bench from the root of the repository.")
    }
    return path
  }

  /// A folder for what measuring leaves behind; it goes with `make clean`.
  static func scratch(_ name: String) throws -> String {
    let path = "Benchmarks/.build/scratch/" + name
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  /// A folder that is empty.
  static func emptyScratch(_ name: String) throws -> String {
    try? FileManager.default.removeItem(atPath: scratch(name))
    return try scratch(name)
  }

  /// Built-in scenes of a size, `train/` and `validation/`; drawn at the first use.
  static func scenes(size: Int, count: Int = 256) throws -> String {
    let folder = try scratch("scenes-\(size)-\(count)")
    let outcome = try SceneDataset.write(
      count: count, validation: 4, size: size, seed: 0, to: folder)
    if outcome == .written { say("drew \(count) scenes of \(size)x\(size) pixels") }
    return folder
  }

  /// Writes numbers under `Benchmarks/results`.
  static func write(_ results: some Encodable, to name: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try write(encoder.encode(results) + Data("\n".utf8), to: "Benchmarks/results/" + name)
  }

  /// Writes a file of the package, and says so.
  static func write(_ data: Data, to path: String) throws {
    let url = URL(fileURLWithPath: path)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try data.write(to: url)
    say("wrote \(path)")
  }
}

/// Tells how measuring goes on, on standard error.
func say(_ text: String) {
  FileHandle.standardError.write(Data((text + "\n").utf8))
}
