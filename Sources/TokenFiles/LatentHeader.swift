import Files
import Foundation
import Safetensors

/// Everything that is said about latents: the sidecar's JSON, and the metadata in safetensors.
///
/// As in ``TokenHeader``, values are JSON in a sidecar, and text or JSON text in safetensors. The keys
/// are the same, but for what only ids have.
struct LatentHeader: Codable {
  static let formatName = "tessera-latents"

  var format: String? = LatentHeader.formatName
  var formatVersion = LatentFile.formatVersion
  var fingerprint: String
  var quantizer: String
  var downsampling: Int
  var standardized: Bool?
  /// The autoencoder's word on how generative models take its latents.
  var scalingFactor: Float?
  var shiftFactor: Float?
  /// By which latents were drawn; means where it is absent.
  var seed: UInt64?
  var recipe: Recipe?
  var paths: NameList?
  var classes: [String]?
  var checksum: String?
  var xxh64: String?
  /// Which share of a set this is, where several programs encode one.
  var part: EncodedPart?

  // In the sidecar only: what safetensors holds as tensors.
  var storage: TokenFormat?
  var dtype: String?
  var shape: [Int]?
  var byteCount: Int?
  var mean: [Float]?
  var deviation: [Float]?
  var sizes: [[Int]]?
  var paddedSizes: [[Int]]?
  var labels: [TokenHeader.Label]?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case format
    case formatVersion = "format_version"
    case fingerprint, quantizer, downsampling, standardized
    case scalingFactor = "scaling_factor"
    case shiftFactor = "shift_factor"
    case seed, recipe, paths, classes, checksum, xxh64, part
    case storage, dtype, shape
    case byteCount = "byte_count"
    case mean, deviation, sizes
    case paddedSizes = "padded_sizes"
    case labels
  }

  init(identity: TokenizerIdentity, recipe: Recipe) {
    fingerprint = identity.fingerprint
    quantizer = identity.quantizer
    downsampling = identity.downsampling
    self.recipe = recipe.ofLatents
  }

  var identity: TokenizerIdentity {
    TokenizerIdentity(
      fingerprint: fingerprint, bottleneck: quantizer, downsampling: downsampling)
  }
}

extension LatentHeader {
  /// The metadata of a safetensors file.
  func texts() throws -> [String: String] {
    var texts = [
      CodingKeys.format: Self.formatName, .formatVersion: String(formatVersion),
      .fingerprint: fingerprint, .quantizer: quantizer, .downsampling: String(downsampling),
      .standardized: String(standardized ?? false),
    ]
    texts[.scalingFactor] = try scalingFactor.map(TokenHeader.json)
    texts[.shiftFactor] = try shiftFactor.map(TokenHeader.json)
    texts[.seed] = seed.map { String($0) }
    texts[.recipe] = try recipe.map(TokenHeader.json)
    texts[.paths] = paths?.jsonText
    texts[.classes] = try classes.map(TokenHeader.json)
    texts[.checksum] = checksum
    texts[.xxh64] = xxh64
    texts[.part] = try part.map(TokenHeader.json)
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
          reason:
            "expected the JSON of \(TokenHeader.expectation(of: type)), found \(text.prefix(60))")
      }
    }
    func optional<T: Decodable>(_ type: T.Type, _ key: CodingKeys) throws(TokenFileError) -> T? {
      texts[key.rawValue] == nil ? nil : try value(type, key)
    }
    guard texts["format"] == Self.formatName else {
      let found = texts["format"].map { "say its format is \"\($0)\"" } ?? "name no format"
      throw .notLatents(
        path: path, reason: "its metadata \(found), expected \"\(Self.formatName)\"")
    }
    let version = try value(Int.self, .formatVersion)
    guard version == LatentFile.formatVersion else { throw .version(path: path, found: version) }
    formatVersion = version
    fingerprint = try text(.fingerprint)
    quantizer = try text(.quantizer)
    downsampling = try value(Int.self, .downsampling)
    standardized = try optional(Bool.self, .standardized)
    scalingFactor = try optional(Float.self, .scalingFactor)
    shiftFactor = try optional(Float.self, .shiftFactor)
    seed = try optional(UInt64.self, .seed)
    part = try optional(EncodedPart.self, .part)
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
    try TokenHeader.checkSums(checksum: checksum, xxh64: xxh64, path: path)
  }

  /// The sidecar's bytes.
  func encoded() throws -> [UInt8] { Array(try TokenHeader.data(self)) + [0x0A] }

  /// Reads a sidecar.
  init(sidecar path: String) throws(TokenFileError) {
    struct Beginning: Decodable {
      let format: String?
      let version: Int?
      enum CodingKeys: String, CodingKey {
        case format
        case version = "format_version"
      }
    }
    let bytes: [UInt8]
    do { bytes = try ReadableFile.contents(of: path) } catch { throw .file(error) }
    let data = Data(bytes)
    guard let beginning = try? JSONDecoder().decode(Beginning.self, from: data),
      beginning.format == Self.formatName
    else {
      throw .notLatents(
        path: path, reason: "it is no JSON object whose \"format\" is \"\(Self.formatName)\"")
    }
    guard beginning.version == LatentFile.formatVersion else {
      throw .version(path: path, found: beginning.version ?? 0)
    }
    do { self = try JSONDecoder().decode(LatentHeader.self, from: data) } catch {
      let (key, reason) = TokenHeader.explain(error)
      throw .metadata(path: path, key: key, reason: reason)
    }
    try TokenHeader.checkSums(checksum: checksum, xxh64: xxh64, path: path)
  }
}
