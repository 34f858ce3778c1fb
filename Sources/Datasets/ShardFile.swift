import Files

/// A tar archive of samples, as WebDataset writes them, and where in it the images are.
///
/// Members that follow each other and share their path up to the first dot of the file's name are one
/// sample, and that part is its key. The rest is the ending: `jpg`, `cls`, `seg.png`. Names that begin
/// with two underscores are about the shard, hidden files are nobody's.
///
/// The image of a sample is its PNG or JPEG member, of several the one with the shortest ending.
struct ShardFile: Sendable {
  /// An image in the shard.
  struct Image: Sendable {
    /// Where its bytes are.
    var range: Range<Int>
    /// Where the member with its label is.
    var label: Label?
  }

  /// The bytes that say what an image shows.
  struct Label: Sendable, Equatable {
    /// Where they are.
    var range: Range<Int>
    /// Whether they are JSON, and not plain text.
    var isJSON: Bool
  }

  /// The images, in the archive's order.
  private(set) var images: [Image] = []
  /// The paths of their members, without `./` before them.
  private(set) var names = NameList()
  /// How many samples there are, those without an image too.
  private(set) var sampleCount = 0
  /// Samples without an image, by what they have instead: the ending of an image of another kind, else of
  /// their first member.
  private(set) var others: [String: Int] = [:]
  /// The endings of all members, by how many have them.
  private(set) var endings: [String: Int] = [:]
  /// How many links were passed over.
  private(set) var linkCount = 0
  /// Images whose names are not UTF-8, as text.
  private(set) var unnamed: [String] = []
  /// What the file was when it was listed.
  let version: FileVersion

  /// What compressed archives are called, how they begin, and what unpacks them.
  static let compressions: [(ending: String, magic: [UInt8], program: String)] = [
    (".gz", [0x1F, 0x8B], "gunzip"), (".zst", [0x28, 0xB5, 0x2F, 0xFD], "unzstd"),
    (".xz", [0xFD, 0x37, 0x7A, 0x58, 0x5A], "unxz"), (".bz2", Array("BZh".utf8), "bunzip2"),
  ]

  /// Endings of images that are not read.
  private static let unreadable: Set<String> = [
    "webp", "gif", "bmp", "tif", "tiff", "avif", "heic", "jxl", "jp2", "ppm", "npy", "pyd",
  ]

  /// Whether a file of that name is taken for a shard, or for a compressed one.
  static func isShard(_ path: String) -> Bool {
    let path = path.lowercased()
    return path.hasSuffix(".tar") || path.hasSuffix(".tgz")
      || compressions.contains { path.hasSuffix(".tar" + $0.ending) }
  }

  /// Lists a shard.
  ///
  /// - Parameter member: the ending of the samples' images; nil for the shortest of PNG and JPEG.
  /// - Parameter didRead: called every so many members.
  /// - Throws: an archive that is compressed, damaged or cut short, or cannot be read.
  init(path: String, member: String?, didRead: () -> Void = {}) throws(ShardError) {
    let file: ReadableFile
    do { file = try ReadableFile(path: path) } catch { throw .archive(.file(error)) }
    let start: [UInt8]
    do { start = try file.bytes(0..<min(8, file.byteCount)) } catch {
      throw .archive(.file(error))
    }
    for compression in Self.compressions where start.starts(with: compression.magic) {
      throw .compressed(path: path, program: compression.program)
    }
    version = file.version
    var reader = TarReader(file)
    var sample = Sample()
    do throws(TarError) {
      var count = 0
      while let next = try reader.nextMember() {
        count += 1
        if count % 1024 == 0 { didRead() }
        guard let place = Place(next.path) else { continue }
        if place.key != sample.key || sample.members.isEmpty {
          take(sample, member)
          sample = Sample(key: place.key)
        }
        sample.members.append((place, next))
      }
    } catch {
      throw .archive(error)
    }
    take(sample, member)
    linkCount = reader.linkCount
  }

  /// Gives the images away.
  mutating func takeImages() -> (names: NameList, images: [Image]) {
    defer { (names, images) = (NameList(), []) }
    return (names, images)
  }

  /// A member's path in its parts.
  private struct Place {
    /// The whole, without `./` before it.
    let path: [UInt8]
    /// Up to the first dot of the file's name.
    let key: [UInt8]
    /// What is behind that dot, in lower case.
    let ending: String

    /// Divides a path; nil for what is no part of a sample.
    init?(_ given: [UInt8]) {
      var rest = given[...]
      while rest.starts(with: "./".utf8) || rest.starts(with: "/".utf8) {
        rest = rest.dropFirst(rest.first == UInt8(ascii: "/") ? 1 : 2)
      }
      path = Array(rest)
      let name = (path.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1
      let isAside = [path[...], path[name...]].contains { $0.starts(with: "__".utf8) }
      guard name < path.count, !isAside, path[name] != UInt8(ascii: ".") else { return nil }
      let dot = path[name...].firstIndex(of: UInt8(ascii: ".")) ?? path.count
      key = Array(path[..<dot])
      ending = String(decoding: path[min(dot + 1, path.count)...], as: UTF8.self).lowercased()
    }

    /// The last part of the ending.
    var kind: String { ending.split(separator: ".").last.map(String.init) ?? "" }
  }

  private struct Sample {
    var key: [UInt8] = []
    var members: [(place: Place, member: TarMember)] = []
  }

  private mutating func take(_ sample: Sample, _ wanted: String?) {
    guard let first = sample.members.first else { return }
    sampleCount += 1
    for (place, _) in sample.members { endings[place.ending, default: 0] += 1 }
    let kinds = ImageFolder.endings
    func rank(_ place: Place) -> (Int, Int) {
      (place.ending.utf8.count, kinds.firstIndex(of: place.kind) ?? kinds.count)
    }
    let image = sample.members.filter { place, _ in
      wanted.map { place.ending == $0.lowercased() } ?? kinds.contains(place.kind)
    }.min { rank($0.place) < rank($1.place) }
    guard let image else {
      let other = sample.members.first { Self.unreadable.contains($0.place.kind) } ?? first
      others[other.place.ending, default: 0] += 1
      return
    }
    guard String(validating: image.place.path, as: UTF8.self) != nil else {
      unnamed.append(String(decoding: image.place.path, as: UTF8.self))
      return
    }
    let label = ["cls", "json"].lazy.compactMap { ending in
      sample.members.first { $0.place.ending == ending }.map {
        Label(range: $0.member.range, isJSON: ending == "json")
      }
    }.first
    names.append(utf8: image.place.path)
    images.append(Image(range: image.member.range, label: label))
  }
}

extension TarMember {
  /// Where its bytes are in the archive.
  fileprivate var range: Range<Int> { offset..<offset + byteCount }
}

extension ShardFile.Label {
  /// A label is a word or a number, or a description that holds one.
  private static let longest = 1 << 20

  /// The class that the bytes say: a word or an integer; nil where they say none.
  func className(in file: ReadableFile) -> String? {
    guard range.count <= Self.longest, let bytes = try? file.bytes(range),
      let text = String(validating: bytes, as: UTF8.self)
    else { return nil }
    if !isJSON {
      let word = text.trimming(while: \.isWhitespace)
      return word.isEmpty || word.count > 256 || word.contains(where: \.isNewline)
        ? nil : String(word)
    }
    guard case .object(let object)? = try? JSONValue(parsing: text) else { return nil }
    for key in ["label", "cls", "class"] {
      switch object[key] {
      case .integer(let number)?: return String(number)
      case .string(let word)? where !word.isEmpty: return word
      default: continue
      }
    }
    return nil
  }
}

extension String {
  fileprivate func trimming(while isOutside: (Character) -> Bool) -> Substring {
    var rest = drop(while: isOutside)
    while let last = rest.last, isOutside(last) { rest.removeLast() }
    return rest
  }
}
