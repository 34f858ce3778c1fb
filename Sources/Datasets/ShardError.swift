import Files

/// Why images cannot be had from shards: tar archives of samples, as WebDataset writes them.
public enum ShardError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Braces that make no sense.
  case badPattern(String, reason: String)
  /// Some of the shards that a pattern or a path names are not there; the first few are told.
  case missing(path: String, first: [String], count: Int, of: Int)
  /// A shard is compressed, so that nothing in it can be found without reading all before it.
  case compressed(path: String, program: String)
  /// A shard is no tar archive, or a damaged one.
  case archive(TarError)
  /// Two samples of a shard have one key.
  case duplicateKey(path: String, key: String)
  /// No sample has an image; `endings` are those of the samples' members, by how many have them.
  case noImages(path: String, samples: Int, endings: [String], member: String?)
  /// A member was chosen, but the images are no members of shards.
  case memberOfFiles(path: String, member: String)

  /// What was expected, what was found, and what to do.
  public var description: String {
    switch self {
    case .badPattern(let pattern, let reason):
      return
        "\(pattern): expected braces such as {000..099} or {a,b}, found \(reason). Write the pattern "
        + "anew, in single quotes so that the shell leaves it alone."
    case .missing(let path, let first, let count, let all):
      let names = first.joined(separator: ", ") + (count > first.count ? ", ..." : "")
      if all == 1 {
        return "\(path): expected a shard, found nothing at this path. Check the path."
      }
      return count == all
        ? "\(path): expected \(all) shards, found none of them (\(names)). Check the path and the range."
        : "\(path): expected \(all) shards, found \(all - count); missing: \(names)"
          + (count > first.count ? " (\(count) in all)" : "")
          + ". Copy them, or change the range."
    case .compressed(let path, let program):
      return
        "\(path): the shard is compressed, and its images cannot be read one by one. Unpack it: "
        + "\(program) < \(path) > \(Self.unpacked(path))."
    case .archive(let error): return error.description
    case .duplicateKey(let path, let key):
      return
        "\(path): two samples have the key \(key), and runs and token files tell images apart by "
        + "their names. Write the shard again with a key for each sample."
    case .noImages(let path, let samples, let endings, let member):
      let wanted =
        member.map { "samples with a member .\($0)" } ?? "samples with a .png, .jpg or .jpeg"
      if samples == 0 {
        return "\(path): expected \(wanted), found no sample at all. Check the shards."
      }
      let shown = endings.prefix(5).map { $0.isEmpty ? "no ending" : "." + $0 }
        .joined(separator: ", ")
      return
        "\(path): expected \(wanted), found \(samples) \(samples == 1 ? "sample" : "samples") of "
        + "other members (\(shown)\(endings.count > 5 ? ", ..." : "")). "
        + (member == nil ? "Convert the images to PNG or JPEG." : "Name one of these members.")
    case .memberOfFiles(let path, let member):
      return
        "\(path): the member \(member) was chosen (data.member), which only samples of .tar shards "
        + "have, and these images are files. Remove it."
    }
  }

  /// The name without what says that it is compressed.
  private static func unpacked(_ path: String) -> String {
    if path.lowercased().hasSuffix(".tgz") { return path.dropLast(4) + ".tar" }
    for ending in ShardFile.compressions.map(\.ending) where path.lowercased().hasSuffix(ending) {
      return String(path.dropLast(ending.count))
    }
    return (path.lowercased().hasSuffix(".tar") ? String(path.dropLast(4)) : path)
      + ".unpacked.tar"
  }
}
