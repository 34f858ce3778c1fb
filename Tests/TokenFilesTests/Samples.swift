import Safetensors
import TokenFiles

/// Made-up tokenizers and images.
enum Samples {
  static let recipe = Recipe(
    size: "native", filter: "lanczos3", crop: "none", padding: "edge, right and bottom")

  static func identity(codes: Int, fingerprint: String = "00c0ffee12345678") -> TokenizerIdentity {
    TokenizerIdentity(
      fingerprint: fingerprint, quantizer: "vq", codebookSize: codes, downsampling: 8)
  }

  static let fsq = TokenizerIdentity(
    fingerprint: "f5f5", quantizer: "fsq", levels: [8, 5, 5, 5], codebookSize: 1000,
    downsampling: 4)

  /// Image `index`: the first id is 0 and the last K - 1, the rest in between.
  static func record(
    _ index: Int, _ identity: TokenizerIdentity, grid: (height: Int, width: Int) = (2, 3)
  ) -> TokenRecord {
    let count = grid.height * grid.width
    let top = identity.codebookSize - 1
    let padded = (grid.height * identity.downsampling, grid.width * identity.downsampling)
    return TokenRecord(
      path: "sub folder/\"quoted\" \\ ünï 漢字 \(index).png", width: padded.1 - index % 3,
      height: padded.0 - 1, paddedWidth: padded.1, paddedHeight: padded.0,
      gridHeight: grid.height, gridWidth: grid.width,
      tokens: (0..<count).map { position in
        position == 0 ? 0 : position == count - 1 ? UInt32(top) : UInt32(position * 977 % (top + 1))
      })
  }

  /// All on one grid.
  static func uniform(_ count: Int, _ identity: TokenizerIdentity) -> [TokenRecord] {
    (0..<count).map { record($0, identity) }
  }

  /// No two neighbours on one grid.
  static func mixed(_ count: Int, _ identity: TokenizerIdentity) -> [TokenRecord] {
    (0..<count).map { record($0, identity, grid: ($0 % 3 + 1, $0 % 2 + 2)) }
  }

  /// The same images with labels, in turn none and 0 ..< `classCount`.
  static func labelled(_ records: [TokenRecord], classCount: Int) -> [TokenRecord] {
    records.enumerated().map { index, record in
      var record = record
      let label = index % (classCount + 1) - 1
      record.label = label < 0 ? nil : label
      return record
    }
  }

  @discardableResult
  static func write(
    _ records: [TokenRecord], to path: String, _ format: TokenFormat,
    _ identity: TokenizerIdentity, classes: [String] = [], shard: Int? = nil
  ) throws -> [String] {
    let writer = try TokenWriter(
      path: path, format: format, identity: identity, recipe: recipe, classes: classes,
      shard: shard)
    for record in records { try writer.append(record) }
    return try writer.finish()
  }
}

extension TokenFile {
  var records: [TokenRecord] {
    get throws { try (0..<count).map { try record(at: $0) } }
  }
}
