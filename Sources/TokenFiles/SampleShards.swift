import Files
import Foundation
import Safetensors

/// Shards of samples as ``SampleShardWriter`` writes them: `NAME.json`, and `NAME-000000.tar` and on.
///
/// Opening walks the members of all shards; ids are read, and checked, when they are asked for.
public struct SampleShards: Sendable {
  /// The path up to the dash before a shard's number.
  public let stem: String
  /// The tokenizer that made the tokens.
  public let identity: TokenizerIdentity
  /// How images became model input.
  public let recipe: Recipe
  /// The names of the images' classes; empty where they have none.
  public let classes: [String]
  /// Which share of a set it is; nil where it is whole.
  ///
  /// It is not complete while it has no `rejectedCount`.
  public let part: EncodedPart?
  /// The shards, in order.
  public let shards: [String]
  /// The keys of the samples, in order.
  public let keys: NameList

  /// The number of samples.
  public var count: Int { keys.count }

  /// The integers that ids are.
  public let idType: ElementType

  /// Opens what was written under a name.
  ///
  /// Errors: a description that is missing or of something else, shards that are missing or damaged.
  public init(stem: String) throws(TokenFileError) {
    let header = try Self.header(stem)
    (self.stem, identity, classes) = (stem, header.identity, header.classes ?? [])
    recipe = header.recipe ?? .generated
    part = header.part
    let path = Self.description(stem)
    if let (key, reason) = identity.problem {
      throw .metadata(path: path, key: key, reason: reason)
    }
    if let reason = part?.problem { throw .metadata(path: path, key: "part", reason: reason) }
    guard let type = header.dtype.flatMap(ElementType.init(rawValue:)),
      [.u8, .u16, .u32].contains(type)
    else { throw .metadata(path: path, key: "dtype", reason: "expected U8, U16 or U32") }
    idType = type
    (shards, keys) = try Self.survey(stem)
  }

  /// Goes through all samples in order; the path of each record is the key of its sample.
  ///
  /// The size of an image is that of its grid: shards do not hold any other.
  ///
  /// Errors: those of `body`, and ``TokenFileError`` of samples that are damaged.
  public func forEach(_ body: (TokenRecord) throws -> Void) throws {
    let labels = Dictionary(
      zip(classes, classes.indices), uniquingKeysWith: { first, _ in first })
    let areIntegers = classes.allSatisfy { Int($0) != nil }
    for path in shards {
      let file = try ReadableFile(path: path)
      var reader = TarReader(file)
      var label: (key: String, place: Int)?
      while let member = try reader.nextMember() {
        let name = member.name
        let key = String(name.dropLast(4))
        if name.hasSuffix(".cls") {
          let text = String(
            decoding: try file.bytes(member.offset..<member.offset + member.byteCount),
            as: UTF8.self)
          guard let place = areIntegers ? labels[text] : Int(text), classes.indices.contains(place)
          else {
            throw TokenFileError.layout(
              path: path,
              reason: "\(name) is \"\(text.prefix(40))\", which is no class of its images")
          }
          label = (key, place)
        } else if name.hasSuffix(".npy") {
          let bytes = try file.bytes(member.offset..<member.offset + member.byteCount)
          var record = try record(bytes, path: path + "/" + name)
          record.path = key
          if let label, label.key == key { record.label = label.place }
          try body(record)
        }
      }
    }
  }

  /// An image from the bytes of its array.
  private func record(_ bytes: [UInt8], path: String) throws(TokenFileError) -> TokenRecord {
    let (header, start) = try bytes.withUnsafeBytes { bytes in
      Result { () throws(TokenFileError) in try NpyHeader.parse(bytes, path: path) }
    }.get()
    let grid = identity.depth > 1 ? header.shape.dropLast() : header.shape[...]
    let size = TensorDeclaration(name: "", type: header.type, shape: header.shape).byteCount
    guard header.type == idType, grid.count == 2, bytes.count - start == size,
      identity.depth == 1 || header.shape.last == identity.depth
    else {
      throw .layout(
        path: path,
        reason:
          "it is \(header.type.rawValue) \(header.shape) in \(bytes.count - start) bytes, expected "
          + "\(idType.rawValue) [h, w" + (identity.depth > 1 ? ", \(identity.depth)]" : "]"))
    }
    let width = idType.byteCount
    let tokens = stride(from: start, to: bytes.count, by: width).map { place in
      (0..<width).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) }
    }
    let side = identity.downsampling
    let record = TokenRecord(
      path: path, width: grid[1] * side, height: grid[0] * side, paddedWidth: grid[1] * side,
      paddedHeight: grid[0] * side, gridHeight: grid[0], gridWidth: grid[1], tokens: tokens)
    if let reason = record.problem(for: identity, classCount: classes.count) {
      throw .layout(path: path, reason: reason)
    }
    return record
  }

  // MARK: Files

  /// The JSON file that says what the shards hold.
  public static func description(_ stem: String) -> String { stem + ".json" }

  /// What that file says.
  static func header(_ stem: String) throws(TokenFileError) -> TokenHeader {
    let path = description(stem)
    let bytes: [UInt8]
    do { bytes = try ReadableFile.contents(of: path) } catch { throw .file(error) }
    guard let header = try? JSONDecoder().decode(TokenHeader.self, from: Data(bytes)),
      header.format == SampleShardWriter.formatName
    else {
      throw .notTokens(path: path, reason: "it does not describe shards of samples")
    }
    guard header.formatVersion == TokenFile.formatVersion else {
      throw .version(path: path, found: header.formatVersion)
    }
    return header
  }

  /// The name of a shard.
  static func name(_ stem: String, _ number: Int) -> String {
    let digits = String(number)
    return stem + "-" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits + ".tar"
  }

  /// The numbers of the shards that are there, in order.
  static func numbers(_ stem: String) -> [Int] {
    let place = URL(fileURLWithPath: stem)
    let folder = place.deletingLastPathComponent().path
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix(place.lastPathComponent + "-"), name.hasSuffix(".tar") else {
        return nil
      }
      let number = Int(name.dropFirst(place.lastPathComponent.count + 1).dropLast(4))
      return number.flatMap { self.name(place.lastPathComponent, $0) == name ? $0 : nil }
    }.sorted()
  }

  /// The shards that are there, without a gap, and the keys in them.
  static func survey(_ stem: String) throws(TokenFileError) -> (shards: [String], keys: NameList) {
    var (shards, keys) = ([String](), NameList())
    for number in numbers(stem) {
      guard number == shards.count else {
        throw .missingPiece(
          path: name(stem, shards.count),
          reason: "this shard is missing, but shard \(number) exists")
      }
      let path = name(stem, number)
      do throws(TarError) {
        let file: ReadableFile
        do { file = try ReadableFile(path: path) } catch { throw .file(error) }
        var reader = TarReader(file)
        while let member = try reader.nextMember() {
          if member.name.hasSuffix(".npy") { keys.append(String(member.name.dropLast(4))) }
        }
      } catch {
        throw .layout(path: path, reason: "\(error)")
      }
      shards.append(path)
    }
    return (shards, keys)
  }
}
