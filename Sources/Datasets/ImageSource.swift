import Files
import Foundation
import Imaging
import Synchronization
import Threads

/// Where the images of a data set come from, and their names in an order that depends on nothing else.
///
/// That is a folder of image files (``ImageFolder``), or shards: a `.tar` of samples as WebDataset writes
/// them, a folder that holds such files and no image, or a pattern like `shards/{000..099}.tar`. An image in a
/// shard is named by the shard and its own path there, `000.tar/key.jpg`, and read in place. Or it is a list:
/// a text file with a path on each line, by which the images are named.
public struct ImageSource: Sendable {
  /// The path as it was named.
  public let path: String
  /// The folder that the names start at; empty for the working directory.
  public let folder: String
  /// The images' names, sorted by their bytes.
  public let files: NameList
  /// What cannot be used: folders that may not be listed, and names that are not UTF-8.
  public let leftOut: [RejectedImage]
  /// What else the user should know of it: files and samples that are no images.
  public let notes: [String]

  /// The shards; empty where images are files.
  private let shards: [Shard]
  /// Where each image is; empty where images are files.
  private let parts: [Part]
  /// The labels that a list gives, and for each image one of them, or -1; empty without any.
  private let listed: (labels: [String], places: [Int32])

  private struct Shard: Sendable, Equatable {
    let path: String
    let version: FileVersion
  }

  /// A part of a shard: 40 bytes an image.
  fileprivate struct Part: Sendable, Equatable {
    let offset: Int
    let byteCount: Int
    let labelOffset: Int
    /// 0 where there is no label.
    let labelByteCount: Int32
    let isLabelJSON: Bool
    let shard: Int32

    var range: Range<Int> { offset..<offset + byteCount }

    var label: ShardFile.Label? {
      guard labelByteCount > 0 else { return nil }
      return ShardFile.Label(
        range: labelOffset..<labelOffset + Int(labelByteCount), isJSON: isLabelJSON)
    }
  }

  /// Lists what a path stands for.
  ///
  /// - Parameters:
  ///   - path: A folder, a `.tar`, or a pattern of several.
  ///   - member: The ending of the samples' images in shards; nil for the shortest of PNG and JPEG.
  ///   - needsShards: Whether images that are no members of shards are refused where a member is given.
  ///   - observer: Told how far the listing is.
  /// - Throws: ``DatasetError`` where there is nothing, it cannot be read, or holds no images.
  public init(
    path: String, member given: String? = nil, needsShards: Bool = true,
    listing observer: @escaping ListingObserver = { _ in }
  ) throws(DatasetError) {
    let member = given.map { $0.hasPrefix(".") ? String($0.dropFirst()) : $0 }
    do throws(ShardError) {
      if let shards = try Self.namedShards(path) {
        try self.init(
          path: path, folder: shards.folder, shards: shards.names, member: member, leftOut: [],
          observer)
        return
      }
    } catch { throw .shards(error) }
    if ListFile.isOne(path) {
      do throws(ListError) {
        self.init(path: path, try ListFile(path: path, observer))
      } catch { throw .list(error) }
      if let member, needsShards { throw .shards(.memberOfFiles(path: path, member: member)) }
      return
    }
    let listing = try ImageFolder.listing(path, observer)
    if listing.images.isEmpty, !listing.shards.isEmpty {
      let names = listing.shards.filter { $0.lowercased().hasSuffix(".tar") }
      do throws(ShardError) {
        try self.init(
          path: path, folder: path, shards: names.isEmpty ? listing.shards : names, member: member,
          leftOut: listing.leftOut, observer)
        return
      } catch { throw .shards(error) }
    }
    self.init(try ImageFolder(path: path, listing))
    if let member, needsShards { throw .shards(.memberOfFiles(path: path, member: member)) }
  }

  /// The images of a folder.
  public init(_ folder: ImageFolder) {
    path = folder.path
    self.folder = folder.path
    files = folder.files
    leftOut = folder.leftOut
    notes = folder.notes
    (shards, parts, listed) = ([], [], ([], []))
  }

  /// The images of a list.
  private init(path: String, _ list: ListFile) {
    self.path = path
    folder = Self.parent(of: path)
    files = list.paths
    leftOut = []
    let count = list.repeatedCount
    notes =
      count == 0
      ? [] : ["\(path): \(count) \(count == 1 ? "line names" : "lines name") an image again"]
    (shards, parts) = ([], [])
    listed = (list.labels, list.places)
  }

  private init(_ other: ImageSource, keeping indices: [Int]) {
    (path, folder) = (other.path, other.folder)
    (leftOut, notes, shards) = (other.leftOut, other.notes, other.shards)
    files = other.files.keeping(indices.map { Int32($0) })
    parts = other.parts.isEmpty ? [] : indices.map { other.parts[$0] }
    let places = other.listed.places
    listed = (other.listed.labels, places.isEmpty ? [] : indices.map { places[$0] })
  }

  /// The same source with only some of its images, by their indices in order.
  func keeping(_ indices: [Int]) -> ImageSource {
    indices.count == files.count ? self : ImageSource(self, keeping: indices)
  }

  /// Whether images are members of shards.
  public var isSharded: Bool { !shards.isEmpty }

  /// Whether images have labels of their own, so that folders are no classes.
  public var hasLabels: Bool { isSharded || !listed.labels.isEmpty }

  /// Whether a path that is no folder stands for images all the same: for shards, or for those of a list.
  public static func standsForImages(_ path: String) -> Bool { namesShards(path) || isList(path) }

  /// Whether a path that is no folder stands for shards, by its name alone.
  public static func namesShards(_ path: String) -> Bool {
    ShardFile.isShard(path)
      || BracePattern.isOne(path) && !FileManager.default.fileExists(atPath: path)
  }

  /// Whether there is anything at a path, or at the first of those that a pattern stands for.
  public static func exists(_ path: String) -> Bool {
    if FileManager.default.fileExists(atPath: path) { return true }
    guard BracePattern.isOne(path), let first = try? BracePattern(path).paths.first else {
      return false
    }
    return FileManager.default.fileExists(atPath: first)
  }

  /// Whether a path is a list of images.
  public static func isList(_ path: String) -> Bool { ListFile.isOne(path) }

  /// The path by which messages call an image.
  public func fullPath(_ file: String) -> String { Self.join(folder, file) }

  /// Where the bytes of an image are.
  public func location(_ index: Int) -> ImageLocation {
    let name = fullPath(files[index])
    guard !parts.isEmpty else { return ImageLocation(file: name) }
    let part = parts[index]
    let shard = shards[Int(part.shard)]
    return ImageLocation(
      name: name, file: shard.path,
      part: ImageLocation.Part(range: part.range, version: shard.version))
  }

  /// The size of an image in bytes, and when its file was last changed, without opening it; nil where it
  /// cannot be had.
  func version(_ index: Int) -> FileVersion? {
    guard !parts.isEmpty else { return FileVersion(path: fullPath(files[index])) }
    let part = parts[index]
    return FileVersion(
      byteCount: part.byteCount, modified: shards[Int(part.shard)].version.modified)
  }

  /// The class of an image: the first folder of its name, or what the label of its sample or its line says;
  /// nil where it has none.
  public func className(_ index: Int) -> String? {
    if !listed.places.isEmpty {
      return listed.places[index] < 0 ? nil : listed.labels[Int(listed.places[index])]
    }
    guard !parts.isEmpty else {
      return files.withUTF8(index) { name in
        guard let slash = name.firstIndex(of: UInt8(ascii: "/")), slash > 0 else { return nil }
        return String(decoding: name[..<slash], as: UTF8.self)
      }
    }
    let part = parts[index]
    guard let label = part.label,
      let file = try? ReadableFile(path: shards[Int(part.shard)].path)
    else { return nil }
    return label.className(in: file)
  }

  /// Calls `body` with each image and its class, in order; a shard is opened once for all of its images that
  /// follow each other.
  public func forEachClassName(_ body: (_ index: Int, _ name: String?) throws -> Void) rethrows {
    guard !parts.isEmpty else {
      for index in files.indices { try body(index, className(index)) }
      return
    }
    var open: (shard: Int32, file: ReadableFile?) = (-1, nil)
    for (index, part) in parts.enumerated() {
      if part.label != nil, open.shard != part.shard {
        open = (part.shard, try? ReadableFile(path: shards[Int(part.shard)].path))
      }
      try body(index, part.label.flatMap { label in open.file.flatMap { label.className(in: $0) } })
    }
  }

  /// The list of classes of these names, each of which is there once.
  ///
  /// Sorted by their bytes; but where labels of samples are all numbers, such as 0 to 999, the class of a
  /// number has it as its index, and numbers that are missing have a class too.
  public static func classes(_ names: [String], areLabels: Bool) -> [String] {
    let numbers = names.compactMap { name in
      Int(name).flatMap { (0..<mostNumbers).contains($0) && String($0) == name ? $0 : nil }
    }
    if areLabels, numbers.count == names.count, let last = numbers.max() {
      return (0...last).map(String.init)
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Numbers beyond that are no indices of classes.
  private static let mostNumbers = 1 << 16

  /// The folder of a path, empty where it is a name alone.
  static func parent(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "" }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}

// MARK: - Shards

extension ImageSource {
  /// The shards that a path names, relative to a folder; nil where it names none.
  private static func namedShards(
    _ path: String
  ) throws(ShardError) -> (folder: String, names: [String])? {
    guard namesShards(path), !Folder.isFolder(path) else { return nil }
    let isPattern = BracePattern.isOne(path) && !FileManager.default.fileExists(atPath: path)
    let pattern = isPattern ? try BracePattern(path) : nil
    let folder = pattern?.folder ?? parent(of: path)
    let paths = pattern?.paths ?? [path]
    let missing = paths.filter { !FileManager.default.fileExists(atPath: $0) }
    guard missing.isEmpty else {
      throw .missing(
        path: path, first: Array(missing.prefix(5)), count: missing.count, of: paths.count)
    }
    let start = folder.isEmpty ? 0 : folder.hasSuffix("/") ? folder.count : folder.count + 1
    var seen: Set<String> = []
    return (folder, paths.map { String($0.dropFirst(start)) }.filter { seen.insert($0).inserted })
  }

  /// Lists shards, on all cores.
  private init(
    path: String, folder: String, shards names: [String], member: String?,
    leftOut: [RejectedImage], _ observer: @escaping ListingObserver
  ) throws(ShardError) {
    let found = Mutex(
      (files: [Result<ShardFile, ShardError>?](repeating: nil, count: names.count), done: 0))
    concurrently(names.count) { index in
      let result = Result { () throws(ShardError) in
        try ShardFile(path: ImageFolder.join(folder, names[index]), member: member) {
          observer(
            .shards(path: path, done: found.withLock { $0.done }, of: names.count))
        }
      }
      let done = found.withLock { found in
        found.files[index] = result
        found.done += 1
        return found.done
      }
      observer(.shards(path: path, done: done, of: names.count))
    }
    let results = found.withLock { found in
      defer { found.files = [] }
      return found.files
    }
    var listed: [ShardFile] = []
    for case let result? in consume results { listed.append(try result.get()) }
    let summary = ShardSummary(listed, names)
    guard listed.contains(where: { !$0.images.isEmpty }) else {
      throw .noImages(
        path: path, samples: summary.samples, endings: summary.endings, member: member)
    }
    var (images, parts) = (NameList(), [Part]())
    parts.reserveCapacity(listed.reduce(0) { $0 + $1.images.count })
    for number in listed.indices {
      let prefix = Array(ImageFolder.join(names[number], "x").utf8.dropLast())
      let shard = listed[number].takeImages()
      for (index, image) in shard.images.enumerated() {
        images.append(utf8: prefix + shard.names.utf8(index))
        parts.append(Part(image, shard: Int32(number)))
      }
    }
    if !images.isSorted {
      let order = images.order
      images = images.keeping(order).contiguous
      parts = order.map { parts[Int($0)] }
    }
    // Names of one key follow each other, as a dot ends each key.
    for index in parts.indices.dropFirst() where parts[index - 1].shard == parts[index].shard {
      let (key, other) = (Self.key(images.utf8(index - 1)), Self.key(images.utf8(index)))
      guard key == other else { continue }
      let name = names[Int(parts[index].shard)]
      throw .duplicateKey(
        path: ImageFolder.join(folder, name),
        key: String(decoding: key.dropFirst(name.utf8.count + 1), as: UTF8.self))
    }
    self.path = path
    self.folder = folder
    self.listed = ([], [])
    (files, self.parts) = (images, parts)
    shards = zip(names, listed).map {
      Shard(path: ImageFolder.join(folder, $0), version: $1.version)
    }
    self.leftOut =
      leftOut
      + zip(names, listed).flatMap { name, shard in
        shard.unnamed.map { member in
          let file = ImageFolder.join(name, member)
          return RejectedImage(
            file: file,
            reason:
              "\(ImageFolder.join(folder, file)): the member's name is not UTF-8, so it cannot "
              + "be named. Pack the shard again with another name.")
        }
      }
    notes = summary.notes(path, member: member)
  }

  /// A name up to the first dot of its last part.
  private static func key(_ name: [UInt8]) -> ArraySlice<UInt8> {
    let start = (name.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1
    return name[..<(name[start...].firstIndex(of: UInt8(ascii: ".")) ?? name.endIndex)]
  }
}

extension ImageSource.Part {
  fileprivate init(_ image: ShardFile.Image, shard: Int32) {
    let label = image.label
    self.init(
      offset: image.range.lowerBound, byteCount: image.range.count,
      labelOffset: label?.range.lowerBound ?? 0,
      labelByteCount: Int32(clamping: label?.range.count ?? 0),
      isLabelJSON: label?.isJSON ?? false, shard: shard)
  }
}

/// What there is in shards beside images.
private struct ShardSummary {
  private(set) var samples = 0
  /// The endings of all members, the most frequent first.
  private(set) var endings: [String] = []
  private var others: [(ending: String, count: Int)] = []
  private var empty: [String] = []
  private var links = 0

  init(_ shards: [ShardFile], _ names: [String]) {
    var (all, others): ([String: Int], [String: Int]) = ([:], [:])
    for (name, shard) in zip(names, shards) {
      samples += shard.sampleCount
      links += shard.linkCount
      if shard.images.isEmpty { empty.append(name) }
      all.merge(shard.endings, uniquingKeysWith: +)
      others.merge(shard.others, uniquingKeysWith: +)
    }
    endings = Self.sorted(all).map(\.ending)
    self.others = Self.sorted(others)
  }

  private static func sorted(_ counts: [String: Int]) -> [(ending: String, count: Int)] {
    counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
  }

  /// What to tell, in sentences.
  func notes(_ path: String, member: String?) -> [String] {
    var notes: [String] = []
    let count = others.reduce(0) { $0 + $1.count }
    if count > 0 {
      let shown = others.prefix(5).map {
        "\($0.ending.isEmpty ? "no ending" : "." + $0.ending) \($0.count)"
      }
      notes.append(
        "\(path): \(count) of \(samples) samples skipped, without "
          + (member.map { "a member .\($0)" } ?? "a PNG or JPEG image")
          + " (they have \(shown.joined(separator: ", "))\(others.count > 5 ? ", ..." : ""))")
    }
    if let first = empty.first {
      notes.append(
        "\(path): \(first)"
          + (empty.count == 1 ? " holds" : " and \(empty.count - 1) more shards hold")
          + " no image")
    }
    if links > 0 {
      notes.append(
        "\(path): \(links) \(links == 1 ? "link" : "links") in the shards skipped, which have no bytes of "
          + "their own; tar --hard-dereference --dereference packs what they lead to")
    }
    return notes
  }
}
