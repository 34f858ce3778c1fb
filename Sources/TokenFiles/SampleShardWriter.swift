import Files
import Foundation
import Safetensors

/// Writes images' tokens as samples of WebDataset: tar shards `NAME-000000.tar` and on.
///
/// A sample is `KEY.npy`, the ids as `[h, w]`, or `[h, w, D]` of a tokenizer of depth D, and `KEY.cls`, an
/// integer as WebDataset reads them, where it has a class: the class itself if all are integers, else its place
/// in the list of classes. `NAME.json` beside the shards says which tokenizer made the ids, and
/// by which recipe. Each shard appears whole or not at all; a writer with `resume` continues after
/// those that are there.
public final class SampleShardWriter {
  /// The keys of the samples in the shards that were there already.
  public private(set) var finishedKeys: Set<String> = []
  /// The shards that are finished.
  public private(set) var shards: [String] = []
  /// How many tokens were written.
  public private(set) var tokenCount = 0

  private let stem: String
  private let identity: TokenizerIdentity
  private let classes: [String]
  private let areIntegers: Bool
  private let idType: ElementType
  private let shard: Int
  private let lock: FileLock
  private var archive: TarWriter?
  private var count = 0

  /// The format's name in the JSON file.
  static let formatName = "tessera-token-samples"

  /// Prepares to write; nothing but the JSON file appears before a shard is complete.
  ///
  /// - `stem`: the shards' path up to `-000000.tar`.
  /// - `classes`: the names that the images' labels are indices of.
  /// - `idType`: U8, U16 or U32; nil for the smallest that holds the codebook.
  /// - `shard`: samples per shard, 1 or more.
  /// - `resume`: keep the existing shards (`finishedKeys`) and continue after them. Without it, they are an
  ///   error.
  ///
  /// Errors: output that is there, shards of another tokenizer or recipe, damaged or missing ones, a folder
  /// that does not exist or is full, another writer at work (`busy`).
  public init(
    stem: String, identity: TokenizerIdentity, recipe: Recipe, classes: [String],
    idType: ElementType? = nil, shard: Int, resume: Bool
  ) throws(TokenFileError) {
    precondition(shard > 0, "a shard has a sample")
    (self.stem, self.identity, self.classes, self.shard) = (stem, identity, classes, shard)
    self.idType = idType ?? identity.idType
    areIntegers = classes.allSatisfy { Int($0) != nil }
    do { lock = try FileLock(path: stem + ".lock") } catch {
      throw .file(FileError(.write, stem + ".json", error.reason))
    }
    var header = TokenHeader(identity: identity, recipe: recipe)
    header.format = Self.formatName
    header.dtype = self.idType.rawValue
    header.classes = classes.isEmpty ? nil : classes
    let description: [UInt8]
    do { description = try header.encoded() } catch {
      throw .output(path: stem + ".json", reason: "\(error)")
    }
    let numbers = Self.numbers(stem)
    let sidecar = stem + ".json"
    let isThere = FileManager.default.fileExists(atPath: sidecar)
    if !resume || numbers.isEmpty {
      if let first = numbers.first.map({ Self.name(stem, $0) }) ?? (isThere ? sidecar : nil),
        !(resume && (try? ReadableFile.contents(of: sidecar)) == description)
      {
        throw .output(
          path: first,
          reason: "it is already there. Remove it with all of its shards, or choose another output"
            + (numbers.isEmpty ? "" : ", or continue after its shards by --resume"))
      }
      do { try AtomicFile.write(description, to: sidecar) } catch { throw .file(error) }
    } else {
      guard (try? ReadableFile.contents(of: sidecar)) == description else {
        throw .mixedPieces(
          path: Self.name(stem, numbers[0]), other: sidecar,
          reason:
            "what is to follow the shards is of another tokenizer, recipe, type or list of classes")
      }
    }
    for number in numbers { try survey(number, among: numbers) }
  }

  /// Adds one image; the record's path is the key of the sample.
  ///
  /// Errors: tokens that do not fill the grid or are not below K, a full disk.
  public func append(_ record: TokenRecord) throws(TokenFileError) {
    if let reason = record.problem(for: identity, classCount: classes.count) {
      throw .record(imagePath: record.path, reason: reason)
    }
    if count == shard { try close() }
    do throws(FileError) {
      let archive: TarWriter
      if let open = self.archive {
        archive = open
      } else {
        archive = try TarWriter(path: Self.name(stem, shards.count))
        self.archive = archive
      }
      // In this order, as WebDataset sorts members by their endings.
      if let label = record.label {
        let text = areIntegers ? classes[label] : String(label)
        try archive.append(record.path + ".cls", Array(text.utf8))
      }
      try archive.append(record.path + ".npy", array(record))
    } catch { throw .file(error) }
    count += 1
    tokenCount += record.gridHeight * record.gridWidth
  }

  /// Completes the last shard and returns the paths of all, those found at the start included.
  public func finish() throws(TokenFileError) -> [String] {
    try close()
    guard !shards.isEmpty else {
      unlink(stem + ".json")
      throw .empty(path: stem)
    }
    return shards
  }

  private func close() throws(TokenFileError) {
    guard let archive else { return }
    do { try archive.finish() } catch { throw .file(error) }
    shards.append(archive.path)
    (self.archive, count) = (nil, 0)
  }

  private func array(_ record: TokenRecord) -> [UInt8] {
    let shape =
      [record.gridHeight, record.gridWidth] + (identity.depth > 1 ? [identity.depth] : [])
    var bytes = NpyHeader(type: idType, shape: shape).encoded()
    for token in record.tokens {
      withUnsafeBytes(of: token.littleEndian) { bytes += $0.prefix(idType.byteCount) }
    }
    return bytes
  }

  // MARK: Shards that are there

  private static func name(_ stem: String, _ number: Int) -> String {
    let digits = String(number)
    return stem + "-" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits + ".tar"
  }

  /// The numbers of the shards that are there, in order.
  private static func numbers(_ stem: String) -> [Int] {
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

  /// Takes over the keys of a shard.
  private func survey(_ number: Int, among numbers: [Int]) throws(TokenFileError) {
    let path = Self.name(stem, number)
    guard number == shards.count else {
      throw .missingPiece(
        path: Self.name(stem, shards.count),
        reason: "this shard is missing, but shard \(number) exists")
    }
    do throws(TarError) {
      let file: ReadableFile
      do { file = try ReadableFile(path: path) } catch { throw .file(error) }
      var reader = TarReader(file)
      while let member = try reader.nextMember() {
        if member.name.hasSuffix(".npy") { finishedKeys.insert(String(member.name.dropLast(4))) }
      }
    } catch {
      throw .layout(path: path, reason: "\(error)")
    }
    shards.append(path)
  }
}
