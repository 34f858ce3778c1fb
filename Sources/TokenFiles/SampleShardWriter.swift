import Files
import Foundation
import Safetensors

/// Writes images' tokens as samples of WebDataset: tar shards `NAME-000000.tar` and on.
///
/// A sample is `KEY.npy`, the ids as `[h, w]`, or `[h, w, D]` of a tokenizer of depth D, and `KEY.cls`, an
/// integer as WebDataset reads them, where it has a class: the class itself if all are integers, else its place
/// in the list of classes. `NAME.json` beside the shards says which tokenizer made the ids, and
/// by which recipe; of a part of a set it says which, and once it is complete what could not be used. Each
/// shard appears whole or not at all; a writer with `resume` continues after those that are there.
/// ``SampleShards`` reads them.
public final class SampleShardWriter {
  /// The keys of the samples in the shards that were there already.
  public private(set) var finishedKeys = NameSet()
  /// The shards that are finished.
  public private(set) var shards: [String] = []
  /// How many samples were added.
  public private(set) var appendedCount = 0
  /// How many tokens these have.
  public private(set) var tokenCount = 0

  /// The shards' path up to `-000000.tar`.
  public let stem: String
  private let identity: TokenizerIdentity
  private let classes: [String]
  private var header: TokenHeader
  private let areIntegers: Bool
  private let idType: ElementType
  private let shard: Int
  private let lock: FileLock
  private var archive: TarWriter?
  /// Samples in the open shard.
  private var count = 0

  /// The format's name in the JSON file.
  static let formatName = "tessera-token-samples"

  /// Prepares to write; nothing but the JSON file appears before a shard is complete.
  ///
  /// - `stem`: the shards' path up to `-000000.tar`.
  /// - `classes`: the names that the images' labels are indices of.
  /// - `idType`: U8, U16 or U32; nil for the smallest that holds the codebook.
  /// - `part`: which share of a set the images are, where several programs encode one.
  /// - `shard`: samples per shard, 1 or more.
  /// - `resume`: keep the existing shards (`finishedKeys`) and continue after them. Without it, they are an
  ///   error.
  ///
  /// Errors: output that is there, shards of another tokenizer or recipe, damaged or missing ones, a folder
  /// that does not exist or is full, another writer at work (`busy`).
  public init(
    stem: String, identity: TokenizerIdentity, recipe: Recipe, classes: [String],
    idType: ElementType? = nil, part: EncodedPart? = nil, shard: Int, resume: Bool
  ) throws(TokenFileError) {
    precondition(shard > 0, "a shard has a sample")
    (self.stem, self.identity, self.classes, self.shard) = (stem, identity, classes, shard)
    self.idType = idType ?? identity.idType
    areIntegers = classes.allSatisfy { Int($0) != nil }
    let sidecar = SampleShards.description(stem)
    do { lock = try FileLock(path: stem + ".lock") } catch {
      throw .file(FileError(.write, sidecar, error.reason))
    }
    header = TokenHeader(identity: identity, recipe: recipe)
    header.format = Self.formatName
    header.dtype = self.idType.rawValue
    header.classes = classes.isEmpty ? nil : classes
    header.part = part?.begun
    let description = try Self.encoded(header, stem)
    let numbers = SampleShards.numbers(stem)
    let isThere = FileManager.default.fileExists(atPath: sidecar)
    let isOurs = resume && isThere && (try? Self.begun(stem)) == description
    if numbers.isEmpty || !resume {
      if !isOurs,
        let first = numbers.first.map({ SampleShards.name(stem, $0) }) ?? (isThere ? sidecar : nil)
      {
        throw .output(
          path: first,
          reason: "it is already there. Remove it with all of its shards, or choose another output"
            + (numbers.isEmpty ? "" : ", or continue after its shards by --resume"))
      }
    } else if !isOurs {
      throw .mixedPieces(
        path: SampleShards.name(stem, numbers[0]), other: sidecar,
        reason:
          "what is to follow the shards is of another tokenizer, recipe, type, list of classes or part"
      )
    }
    if !numbers.isEmpty {
      let found = try SampleShards.survey(stem)
      (shards, finishedKeys) = (found.shards, NameSet(found.keys))
    }
    // A part that is continued is not complete meanwhile.
    if (try? ReadableFile.contents(of: sidecar)) != description {
      do { try AtomicFile.write(description, to: sidecar) } catch { throw .file(error) }
    }
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
        archive = try TarWriter(path: SampleShards.name(stem, shards.count))
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
    appendedCount += 1
    tokenCount += record.gridHeight * record.gridWidth
  }

  /// Completes the last shard and returns the paths of all, those found at the start included.
  ///
  /// - Parameter rejected: the images that could not be used, which a part tells of.
  ///
  /// Errors: no image at all, unless it is a part: then its description tells that it has none.
  public func finish(
    rejected: [EncodedPart.Rejection] = []
  ) throws(TokenFileError) -> [String] {
    try close()
    if let part = header.part {
      var complete = header
      complete.part = part.completed(rejected, encoded: finishedKeys.count + appendedCount)
      let description = try Self.encoded(complete, stem)
      do { try AtomicFile.write(description, to: SampleShards.description(stem)) } catch {
        throw .file(error)
      }
    } else if shards.isEmpty {
      discard()
      throw .empty(path: stem)
    }
    return shards
  }

  /// Leaves nothing behind where nothing was written.
  public func discard() {
    if shards.isEmpty { unlink(SampleShards.description(stem)) }
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

  private static func encoded(_ header: TokenHeader, _ stem: String) throws(TokenFileError)
    -> [UInt8]
  {
    do { return try header.encoded() } catch {
      throw .output(path: SampleShards.description(stem), reason: "\(error)")
    }
  }

  /// The description that is there, as it was when its part was begun.
  private static func begun(_ stem: String) throws(TokenFileError) -> [UInt8] {
    var header = try SampleShards.header(stem)
    header.part = header.part?.begun
    return try encoded(header, stem)
  }
}
