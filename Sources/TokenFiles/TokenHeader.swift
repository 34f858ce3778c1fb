import Files
import Foundation
import Safetensors

/// Everything that is said about the ids: the sidecar's JSON, and the metadata in safetensors.
///
/// In a sidecar the values are JSON; in safetensors, where metadata are strings, each value that is
/// not a string itself is its JSON text. The keys are the same.
struct TokenHeader: Codable {
  static let formatName = "tessera-tokens"

  var format: String? = TokenHeader.formatName
  var formatVersion = TokenFile.formatVersion
  var fingerprint: String
  var quantizer: String
  var levels: [Int]?
  var codebookSize: Int
  /// Ids to a token; nil is 1.
  var depth: Int?
  var downsampling: Int
  var digitOrder: String?
  var recipe: Recipe?
  var paths: NameList?
  /// The names that labels are indices of; nil where images have no classes.
  var classes: [String]?
  var checksum: String?
  var xxh64: String?
  var shard: Int?
  var lastShard: Bool?
  /// Which share of a set this is, where several programs encode one.
  var part: EncodedPart?

  // In the sidecar only: what safetensors holds as tensors.
  var storage: TokenFormat?
  var dtype: String?
  var shape: [Int]?
  var byteCount: Int?
  var offsets: [Int]?
  var grids: [[Int]]?
  var sizes: [[Int]]?
  var paddedSizes: [[Int]]?
  var labels: [Label]?

  /// The index of an image's class, or -1.
  struct Label: Codable {
    var value: Int
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case format
    case formatVersion = "format_version"
    case fingerprint, quantizer, levels
    case codebookSize = "codebook_size"
    case depth, downsampling
    case digitOrder = "digit_order"
    case recipe, paths, classes, checksum, xxh64, shard
    case lastShard = "last_shard"
    case part
    case storage, dtype, shape
    case byteCount = "byte_count"
    case offsets, grids, sizes
    case paddedSizes = "padded_sizes"
    case labels
  }

  init(identity: TokenizerIdentity, recipe: Recipe) {
    fingerprint = identity.fingerprint
    quantizer = identity.quantizer
    levels = identity.levels
    codebookSize = identity.codebookSize
    depth = identity.depth > 1 ? identity.depth : nil
    downsampling = identity.downsampling
    digitOrder = recipe.digitOrder
    self.recipe = recipe
  }

  var identity: TokenizerIdentity {
    TokenizerIdentity(
      fingerprint: fingerprint, quantizer: quantizer, levels: levels, codebookSize: codebookSize,
      depth: depth ?? 1, downsampling: downsampling)
  }
}

extension TokenHeader {
  /// The metadata of a safetensors file.
  func texts() throws -> [String: String] {
    var texts = [
      CodingKeys.format: Self.formatName, .formatVersion: String(formatVersion),
      .fingerprint: fingerprint, .quantizer: quantizer, .codebookSize: String(codebookSize),
      .downsampling: String(downsampling),
    ]
    texts[.levels] = try levels.map(Self.json)
    texts[.depth] = depth.map(String.init)
    texts[.digitOrder] = digitOrder
    texts[.recipe] = try recipe.map(Self.json)
    texts[.paths] = paths?.jsonText
    texts[.classes] = try classes.map(Self.json)
    texts[.checksum] = checksum
    texts[.xxh64] = xxh64
    texts[.shard] = shard.map(String.init)
    texts[.lastShard] = lastShard.map(String.init)
    texts[.part] = try part.map(Self.json)
    return Dictionary(uniqueKeysWithValues: texts.map { ($0.key.rawValue, $0.value) })
  }

  /// Reads the metadata of a safetensors file.
  init(texts: [String: String], path: String) throws(TokenFileError) {
    func text(_ key: CodingKeys) throws(TokenFileError) -> String {
      guard let text = texts[key.rawValue] else {
        throw .metadata(path: path, key: key.rawValue, reason: "it is missing")
      }
      return text
    }
    func value<T: Decodable>(_ type: T.Type, _ key: CodingKeys) throws(TokenFileError) -> T {
      let text = try text(key)
      do { return try JSONDecoder().decode(type, from: Data(text.utf8)) } catch {
        throw .metadata(
          path: path, key: key.rawValue,
          reason: "expected the JSON of \(Self.expectation(of: type)), found \(text.prefix(60))")
      }
    }
    func optional<T: Decodable>(_ type: T.Type, _ key: CodingKeys) throws(TokenFileError) -> T? {
      texts[key.rawValue] == nil ? nil : try value(type, key)
    }
    if let format = texts["format"], format != Self.formatName {
      if format == LatentHeader.formatName { throw .latents(path: path) }
      throw .notTokens(path: path, reason: "its metadata say its format is \"\(format)\"")
    }
    guard texts["format_version"] != nil else {
      throw .notTokens(path: path, reason: "its metadata has no \"format_version\"")
    }
    let version = try value(Int.self, .formatVersion)
    guard version == TokenFile.formatVersion else { throw .version(path: path, found: version) }
    formatVersion = version
    fingerprint = try text(.fingerprint)
    quantizer = try text(.quantizer)
    levels = try optional([Int].self, .levels)
    codebookSize = try value(Int.self, .codebookSize)
    depth = try optional(Int.self, .depth)
    downsampling = try value(Int.self, .downsampling)
    digitOrder = texts["digit_order"]
    recipe = try optional(Recipe.self, .recipe)
    // There may be hundreds of thousands: the decoder would take ten times their size.
    if let text = texts["paths"], let plain = NameList(jsonText: text) {
      paths = plain
    } else {
      paths = try optional(NameList.self, .paths)
    }
    classes = try optional([String].self, .classes)
    checksum = texts["checksum"]
    xxh64 = texts["xxh64"]
    shard = try optional(Int.self, .shard)
    lastShard = try optional(Bool.self, .lastShard)
    part = try optional(EncodedPart.self, .part)
    try checkSums(path)
  }

  /// Refuses sums that are none: they may not be compared later.
  private func checkSums(_ path: String) throws(TokenFileError) {
    try Self.checkSums(checksum: checksum, xxh64: xxh64, path: path)
  }

  /// Refuses sums that are none.
  static func checkSums(
    checksum: String?, xxh64: String?, path: String
  ) throws(TokenFileError) {
    for (key, sum) in [(CodingKeys.checksum, checksum), (.xxh64, xxh64)] {
      guard let sum, sum.wholeMatch(of: /[0-9a-f]{16}/) == nil else { continue }
      throw .metadata(
        path: path, key: key.rawValue,
        reason: "expected 16 hexadecimal digits, found \"\(sum.prefix(60))\"")
    }
  }

  /// The sidecar's bytes.
  func encoded() throws -> [UInt8] { Array(try Self.data(self)) + [0x0A] }

  /// Reads a sidecar.
  init(sidecar bytes: UnsafeRawBufferPointer, path: String) throws(TokenFileError) {
    struct Version: Decodable {
      let format: String?
      let number: Int
      enum CodingKeys: String, CodingKey {
        case format
        case number = "format_version"
      }
    }
    let data = Data(bytes)
    let decoder = JSONDecoder()
    guard let version = try? decoder.decode(Version.self, from: data) else {
      throw .notTokens(
        path: path, reason: "it is no JSON object with an integer \"format_version\"")
    }
    if let format = version.format, format != Self.formatName {
      if format == LatentHeader.formatName { throw .latents(path: path) }
      throw .notTokens(path: path, reason: "it says its format is \"\(format)\"")
    }
    guard version.number == TokenFile.formatVersion else {
      throw .version(path: path, found: version.number)
    }
    do { self = try decoder.decode(TokenHeader.self, from: data) } catch {
      let (key, reason) = Self.explain(error)
      throw .metadata(path: path, key: key, reason: reason)
    }
    try checkSums(path)
  }

  static func explain(_ error: any Error) -> (key: String, reason: String) {
    func name(_ path: [any CodingKey]) -> String {
      path.map(\.stringValue).joined(separator: ".")
    }
    switch error as? DecodingError {
    case .keyNotFound(let key, let context):
      return (name(context.codingPath + [key]), "it is missing")
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      return (name(context.codingPath), "expected \(expectation(of: type))")
    case .dataCorrupted(let context):
      return (name(context.codingPath), context.debugDescription)
    default:
      return ("", "\(error)")
    }
  }

  static func expectation(of type: any Any.Type) -> String {
    switch type {
    case is Int.Type, is UInt64.Type: "an integer"
    case is Float.Type: "a number"
    case is Bool.Type: "true or false"
    case is [Int].Type: "a list of integers"
    case is [String].Type, is NameList.Type, is String.Type: "text"
    default: "\(type)"
    }
  }

  static func json(_ value: some Encodable) throws -> String {
    String(decoding: try data(value), as: UTF8.self)
  }

  static func data(_ value: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(value)
  }
}

extension TokenHeader.Label {
  /// Reads an integer; of another number the decoder alone would only say that it is no JSON.
  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    do { value = try container.decode(Int.self) } catch {
      throw DecodingError.typeMismatch(
        Int.self, .init(codingPath: decoder.codingPath, debugDescription: "no integer"))
    }
  }

  /// Writes the integer.
  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(value)
  }
}

/// Which tokenizer made the tokens: what must agree before they may be decoded.
public struct TokenizerIdentity: Codable, Equatable, Sendable {
  /// Hash of the weights and the configuration, in hexadecimal digits.
  public let fingerprint: String
  /// The kind of bottleneck: "fsq", "vq", ...
  public let quantizer: String
  /// Levels per channel where ids are digits (FSQ), else nil; their product is `codebookSize`.
  public let levels: [Int]?
  /// K: ids are 0 ..< K; 0 where the bottleneck is continuous, so that there are no ids.
  public let codebookSize: Int
  /// Ids to a token: 1, or more for residual and product quantizers.
  public let depth: Int
  /// Pixels per side of the square that one token stands for.
  public let downsampling: Int

  /// Describes a tokenizer; writers and readers check that it is consistent.
  public init(
    fingerprint: String, quantizer: String, levels: [Int]? = nil, codebookSize: Int,
    depth: Int = 1, downsampling: Int
  ) {
    self.fingerprint = fingerprint
    self.quantizer = quantizer
    self.levels = levels
    self.codebookSize = codebookSize
    self.depth = depth
    self.downsampling = downsampling
  }

  /// Describes an autoencoder with a continuous bottleneck, which has latents and no tokens.
  ///
  /// - `bottleneck`: the kind, "kl" or "none".
  public init(fingerprint: String, bottleneck: String, downsampling: Int) {
    self.init(
      fingerprint: fingerprint, quantizer: bottleneck, codebookSize: 0, downsampling: downsampling)
  }

  /// Whether a tokenizer decodes what this one encodes: its own tokens, and those of tokenizers whose
  /// encoder and quantizer it has.
  ///
  /// - `kept`: the fingerprints of these.
  public func isDecoded(by tokenizer: TokenizerIdentity, keeping kept: [String] = []) -> Bool {
    guard kept.contains(fingerprint) else { return self == tokenizer }
    return self
      == TokenizerIdentity(
        fingerprint: fingerprint, quantizer: tokenizer.quantizer, levels: tokenizer.levels,
        codebookSize: tokenizer.codebookSize, depth: tokenizer.depth,
        downsampling: tokenizer.downsampling)
  }

  /// Whether it makes latents and no tokens.
  public var isContinuous: Bool { codebookSize == 0 }

  /// The smallest of U8, U16 and U32 that holds the ids 0 ..< K.
  public var idType: ElementType {
    codebookSize <= 1 << 8 ? .u8 : codebookSize <= 1 << 16 ? .u16 : .u32
  }

  /// The key that makes no sense for latents, and why; nil where all is well.
  var latentProblem: (key: String, reason: String)? {
    if fingerprint.isEmpty || !fingerprint.allSatisfy(\.isHexDigit) {
      return ("fingerprint", "expected hexadecimal digits, found \"\(fingerprint)\"")
    }
    if quantizer.isEmpty { return ("quantizer", "expected a name such as \"fsq\", found nothing") }
    if !(1...1 << 16).contains(downsampling) {
      return ("downsampling", "expected 1 to 65536 pixels, found \(downsampling)")
    }
    return nil
  }

  /// The key that makes no sense for tokens, and why; nil where all is well.
  var problem: (key: String, reason: String)? {
    if let latentProblem { return latentProblem }
    if !(1...1 << 32).contains(codebookSize) {
      return ("codebook_size", "expected 1 to 4294967296, found \(codebookSize)")
    }
    if !(1...1 << 10).contains(depth) {
      return ("depth", "expected 1 to 1024 ids per token, found \(depth)")
    }
    if let levels {
      var product = 1
      for level in levels {
        let (next, overflow) = product.multipliedReportingOverflow(by: level)
        if level < 2 || overflow {
          return ("levels", "expected levels of 2 or more, found \(levels)")
        }
        product = next
      }
      if product != codebookSize {
        return ("levels", "\(levels) make \(product) codes, but codebook_size is \(codebookSize)")
      }
    }
    return nil
  }

  /// "fsq [8, 5, 5, 5], 8 pixels per token, fingerprint 3f...".
  var summary: String {
    if isContinuous {
      return "\(quantizer) (continuous), \(downsampling) pixels per latent vector, "
        + "fingerprint \(fingerprint)"
    }
    let size = levels.map { "\($0)" } ?? "of \(codebookSize) codes"
    return
      "\(quantizer) \(size)\(depth > 1 ? " by \(depth)" : ""), \(downsampling) pixels per token, fingerprint \(fingerprint)"
  }
}
