import Foundation
import Safetensors

/// A file of `Tests/Golden`: what PyTorch computed, see the script there that made it.
public struct GoldenFile {
  private let file: SafetensorsFile

  /// Opens a file by its name without the ending.
  public init(_ name: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Golden")
    file = try SafetensorsFile(path: folder.path + "/" + name + ".safetensors")
  }

  /// The numbers of a tensor; whole numbers come as floats.
  public func numbers(_ name: String) throws -> [Float] {
    let entry = try file.entry(name)
    guard entry.type == .i32 else { return try file.floats(name) }
    return try file.withBytes(of: entry) { bytes in
      (0..<entry.elementCount).map {
        Float(bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self))
      }
    }
  }

  /// The extents of a tensor.
  public func shape(_ name: String) throws -> [Int] { try file.entry(name).shape }

  /// A text of the metadata.
  public func text(_ key: String) -> String { file.metadata[key] ?? "" }

  /// A JSON text of the metadata, as Foundation reads it.
  public func json(_ key: String) throws -> Any {
    try JSONSerialization.jsonObject(with: Data(text(key).utf8))
  }
}
