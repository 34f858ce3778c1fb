/// The coats in which tokens lie on disk.
public enum TokenFormat: String, CaseIterable, Codable, Sendable {
  /// One file that explains itself.
  case safetensors
  /// A numpy array, everything else in a JSON file beside it.
  case npy
  /// The ids alone, little-endian, everything else in a JSON file beside it.
  case bin

  /// The format that a path's extension names, or nil.
  public init?(path: String) {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return nil }
    self.init(rawValue: name[name.index(after: dot)...].lowercased())
  }
}
