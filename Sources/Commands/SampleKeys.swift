import Datasets
import Files
import Foundation
import Imaging
import TokenFiles

extension ImageInputs {
  /// Names the images by the keys of their samples, which depend on all of them.
  ///
  /// Errors: two images that would have one key.
  mutating func nameByKeys() throws { rename(try SampleKeys(files).keys) }
}

/// The keys of images in WebDataset shards: the path of a sample in its shard, or of a file without its ending.
///
/// A key ends at the first dot of its last part, so that others become underscores. Where two shards
/// have one key, each key has its shard's name before it.
struct SampleKeys {
  /// The keys, in the order of the images.
  let keys: NameList

  /// Names the images.
  ///
  /// Errors: two images that would have one key all the same.
  init(_ inputs: ImageInputList) throws {
    let plain = NameList(inputs.lazy.map { Self.key($0) })
    if plain.firstRepeated == nil {
      keys = plain
      return
    }
    keys = NameList(inputs.lazy.map { Self.key($0, withShard: true) })
    if let (first, second) = keys.firstRepeated {
      throw Failure(
        .badData,
        "\(inputs[first].name) and \(inputs[second].name) would both be samples of the key \(keys[first]). "
          + "Rename one, or encode them to two outputs.")
    }
  }

  private static func key(_ input: ImageInput, withShard: Bool = false) -> String {
    let location = input.location
    guard location.part != nil else { return key(of: input.name, isFile: true) }
    let member = location.name.dropFirst(location.file.count + 1)
    let key = key(of: String(member), isFile: false) + (input.isMirrored ? "_mirrored" : "")
    guard withShard else { return key }
    // The name is that of the shard and that of the member, which is longer in a mirror image.
    let added = input.isMirrored ? ".mirrored".count : 0
    let shard = input.name.dropLast(member.count + 1 + added)
    return (shard.lowercased().hasSuffix(".tar") ? shard.dropLast(4) : shard) + "/" + key
  }

  /// The key of a name: up to its first dot in a shard, up to its last in a folder.
  private static func key(of name: String, isFile: Bool) -> String {
    let slash = name.lastIndex(of: "/").map(name.index(after:)) ?? name.startIndex
    let last = name[slash...]
    let dot = (isFile ? last.lastIndex(of: ".") : last.firstIndex(of: ".")) ?? last.endIndex
    let stem = last[..<dot].replacing(".", with: "_")
    // What begins with two underscores is about a shard.
    let folder = name[..<slash]
    let key = folder + (stem.isEmpty ? "_" : stem)
    return String(key.hasPrefix("__") ? key.drop { $0 == "_" } : key)
  }
}

/// Where encode writes shards of samples: `NAME-000000.tar` and on.
struct ShardOutput {
  /// The path up to the dash before the number.
  let stem: String

  private init(stem: String) { self.stem = stem }

  /// The output of one part.
  func part(_ part: PartOption) -> ShardOutput {
    ShardOutput(stem: EncodedPart.stem(stem, part.number, of: part.total))
  }

  /// Takes `--output`; nil where neither it nor `--format` asks for shards of samples.
  ///
  /// Errors: an output of another ending.
  init?(path: String, format: EncodedFormat?) throws {
    let isTar = path.lowercased().hasSuffix(".tar")
    guard format == .webdataset || format == nil && isTar else { return nil }
    let name = path.split(separator: "/").last.map(String.init) ?? ""
    guard !path.hasSuffix("/"), !name.isEmpty, name != ".tar" else {
      throw Failure(
        .cannotCreate,
        "--output \"\(path)\": expected a file, found a folder's name. Name the shards, such as "
          + "\(path)tokens.tar.")
    }
    for ending in [".safetensors", ".npy", ".bin"] where path.lowercased().hasSuffix(ending) {
      throw Failure(
        .usage,
        "--output \(path) ends in \(ending), but --format webdataset writes .tar. Change the extension."
      )
    }
    stem = isTar ? String(path.dropLast(4)) : path
  }
}
