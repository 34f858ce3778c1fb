import Files
import Foundation

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// The images in a folder and the folders within it, in an order that depends on their names alone.
///
/// Images are files whose names end in .png, .jpg or .jpeg in any case. Hidden files and folders
/// (a leading dot) are skipped. Links are followed; a folder that several links lead to is listed
/// once, so loops end. Names are distinguished by their bytes, as Linux does: é composed and é
/// decomposed are two. A folder within it that holds a run (config.json beside samples or
/// model.safetensors) is not searched, so that a run never takes its own sample sheets for images.
public struct ImageFolder: Sendable, Equatable {
  /// The folder as it was named.
  public let path: String
  /// The images' paths within the folder, sorted by their bytes.
  public let files: NameList
  /// Unusable entries: folders that may not be listed, and names that are not UTF-8.
  public let leftOut: [RejectedImage]
  /// How many files of other kinds there are, by their endings in lower case.
  public let otherFiles: [String: Int]
  /// Folders that were not searched since they hold a run.
  public let runFolders: [String]

  /// The endings of image files, in lower case and without the dot.
  public static let endings = ["png", "jpg", "jpeg"]

  static let endingsInWords = ".png, .jpg or .jpeg"

  /// Lists the folder.
  ///
  /// - Parameter observer: told how far the listing is.
  /// - Throws: ``DatasetError`` if there is no such folder, it cannot be listed, or there are no
  ///   images.
  public init(
    path: String, listing observer: @escaping ListingObserver = { _ in }
  ) throws(DatasetError) {
    try self.init(path: path, Self.listing(path, observer))
  }

  /// Walks a folder, whatever is in it.
  static func listing(
    _ path: String, _ observer: @escaping ListingObserver
  ) throws(DatasetError) -> FolderListing {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw .missingFolder(path: path)
    }
    guard isFolder.boolValue else { throw .notAFolder(path: path) }
    return try FolderListing(root: path, observer)
  }

  /// Takes the images of a listing.
  init(path: String, _ listing: FolderListing) throws(DatasetError) {
    guard !listing.images.isEmpty else {
      if let first = listing.leftOut.first {
        throw .noReadableImages(
          path: path, count: listing.leftOut.count, first: first.reason)
      }
      let endings = Self.sorted(listing.others)
      throw .noImages(
        path: path, files: listing.others.values.reduce(0, +), endings: endings.map(\.ending))
    }
    self.path = path
    files = listing.images.sorted()
    leftOut = listing.leftOut
    otherFiles = listing.others
    runFolders = listing.runs
  }

  private init(_ folder: ImageFolder, files: NameList) {
    path = folder.path
    self.files = files
    leftOut = folder.leftOut
    otherFiles = folder.otherFiles
    runFolders = folder.runFolders
  }

  /// The same folder with only some of its files, by their indices in order.
  public func keeping(_ indices: [Int]) -> ImageFolder {
    ImageFolder(self, files: files.keeping(indices.map { Int32($0) }))
  }

  /// What the user should know of the listing: files of other kinds, and runs that were skipped.
  public var notes: [String] {
    var notes: [String] = []
    let count = otherFiles.values.reduce(0, +)
    if count > 0 {
      let sorted = Self.sorted(otherFiles)
      let shown = sorted.prefix(5).map {
        "\($0.ending.isEmpty ? "no ending" : "." + $0.ending) \($0.count)"
      }
      notes.append(
        "\(path): \(count) \(count == 1 ? "file" : "files") of other kinds skipped "
          + "(\(shown.joined(separator: ", "))\(sorted.count > 5 ? ", ..." : ""))")
    }
    if let first = runFolders.first {
      let others = runFolders.count == 1 ? "holds" : "and \(runFolders.count - 1) more folders hold"
      notes.append(
        "\(first) \(others) what train wrote and \(runFolders.count == 1 ? "is" : "are") not "
          + "searched for images; name such a folder itself to use its images")
    }
    return notes
  }

  /// The endings, the most frequent first.
  private static func sorted(_ others: [String: Int]) -> [(ending: String, count: Int)] {
    others.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
  }

  /// Whether a file of this name is taken for an image.
  public static func isImage(_ name: String) -> Bool {
    endings.contains(ending(of: name)) && !name.hasPrefix(".")
  }

  /// The path that opens one of the folder's files.
  public func fullPath(_ file: String) -> String { Self.join(path, file) }

  static func join(_ folder: String, _ name: String) -> String {
    if name.isEmpty { return folder }
    if folder.isEmpty { return name }
    return folder.hasSuffix("/") ? folder + name : folder + "/" + name
  }

  static func ending(of name: String) -> String {
    guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return "" }
    return name[name.index(after: dot)...].lowercased()
  }
}

/// A walk through a folder and the folders within it, by the names' bytes.
///
/// Names that are not UTF-8 are walked too, so that what lies behind them can be counted.
struct FolderListing {
  /// Paths of images within the folder, not sorted.
  private(set) var images = NameList()
  /// Paths of tar archives within the folder, also compressed ones, in the walk's order.
  private(set) var shards: [String] = []
  /// How many other files there are of each ending.
  private(set) var others: [String: Int] = [:]
  /// Folders and files that cannot be used, with the reasons.
  private(set) var leftOut: [RejectedImage] = []
  /// Folders that hold a run, which were not searched.
  private(set) var runs: [String] = []

  private let root: [UInt8]
  private var visited: Set<[UInt64]> = []
  /// Images in the folder whose name is not UTF-8 and that is being walked.
  private var unnamed = 0
  private let observer: ListingObserver

  /// Entries between two reports.
  private static let reported = 256

  private enum Kind {
    case folder, other
  }

  /// Lists the folder; nil with the reason where it cannot be listed itself.
  init(root: String, _ observer: @escaping ListingObserver) throws(DatasetError) {
    self.root = Array(root.utf8)
    self.observer = observer
    do { try visit([], isNamed: true) } catch {
      throw .unreadableFolder(path: root, reason: String(cString: strerror(error.code)))
    }
  }

  /// A system call that failed.
  private struct Fault: Error {
    let code: Int32
  }

  private mutating func visit(_ folder: [UInt8], isNamed: Bool) throws(Fault) {
    let path = join(root, folder)
    tell()
    let (names, identity) = try entries(of: path)
    guard visited.insert(identity).inserted else { return }
    func holds(_ name: [UInt8]) -> Bool { names.contains { $0.bytes == name } }
    let isRun = holds(Self.configuration) && (holds(Self.samples) || holds(Self.model))
    if isRun, !folder.isEmpty {
      runs.append(Self.text(path))
      return
    }
    // Sorted, so that of two ways to one folder always the same is taken.
    let sorted = names.sorted(by: { $0.bytes.lexicographicallyPrecedes($1.bytes) })
    for (index, entry) in sorted.enumerated() where entry.bytes.first != UInt8(ascii: ".") {
      if index % Self.reported == Self.reported - 1 { tell() }
      let file = join(folder, entry.bytes)
      let name = String(validating: entry.bytes, as: UTF8.self)
      let kind = entry.kind ?? Self.kind(of: join(root, file))
      if kind == .folder {
        if isRun, entry.bytes == Self.samples {
          runs.append(Self.text(join(root, file)))
          continue
        }
        try descend(file, isNamed: isNamed, hasName: name != nil)
      } else if ImageFolder.isImage(name ?? Self.text(entry.bytes)) {
        take(file, isNamed: isNamed, hasName: name != nil)
      } else {
        others[ImageFolder.ending(of: name ?? Self.text(entry.bytes)), default: 0] += 1
        if isNamed, let name, ShardFile.isShard(name) {
          shards.append(String(decoding: file, as: UTF8.self))
        }
      }
    }
  }

  private mutating func descend(
    _ folder: [UInt8], isNamed: Bool, hasName: Bool
  ) throws(Fault) {
    let path = Self.text(join(root, folder))
    if isNamed, !hasName { unnamed = 0 }
    do {
      try visit(folder, isNamed: isNamed && hasName)
    } catch {
      let reason = String(cString: strerror(error.code))
      leftOut.append(
        RejectedImage(
          file: Self.text(folder),
          reason:
            "\(path): the folder cannot be listed: \(reason). Change its permissions, or move it "
            + "elsewhere.", imageCount: 0))
    }
    if isNamed, !hasName, unnamed > 0 {
      leftOut.append(
        RejectedImage(
          file: Self.text(folder),
          reason: "\(path): the folder's name is not UTF-8, so the \(unnamed) "
            + "\(unnamed == 1 ? "image" : "images") in it cannot be named. \(Self.rename)",
          imageCount: unnamed))
    }
  }

  private mutating func take(_ file: [UInt8], isNamed: Bool, hasName: Bool) {
    if !isNamed {
      unnamed += 1
    } else if hasName {
      images.append(utf8: file)
    } else {
      leftOut.append(
        RejectedImage(
          file: Self.text(file),
          reason:
            "\(Self.text(join(root, file))): the file's name is not UTF-8, so it cannot be named. "
            + Self.rename))
    }
  }

  private func tell() {
    observer(.folder(path: String(decoding: root, as: UTF8.self), images: images.count))
  }

  private func join(_ folder: [UInt8], _ name: [UInt8]) -> [UInt8] {
    if name.isEmpty { return folder }
    if folder.isEmpty { return name }
    return folder.last == Self.slash ? folder + name : folder + [Self.slash] + name
  }

  private static let slash = UInt8(ascii: "/")
  private static let configuration = Array("config.json".utf8)
  private static let samples = Array("samples".utf8)
  private static let model = Array("model.safetensors".utf8)
  private static let rename =
    "Rename it, for example with convmv -f latin1 -t utf8 --notest if it is Latin-1."

  /// The bytes as text: those that are no UTF-8 as \xNN.
  private static func text(_ bytes: [UInt8]) -> String {
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    var text = ""
    var rest = bytes[...]
    while let byte = rest.first {
      // The longest character that is one, else the byte.
      let length = (1...4).first { count in
        rest.count >= count && String(validating: rest.prefix(count), as: UTF8.self) != nil
      }
      if let length {
        text += String(decoding: rest.prefix(length), as: UTF8.self)
        rest = rest.dropFirst(length)
      } else {
        text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        rest = rest.dropFirst()
      }
    }
    return text
  }

  /// What is in a folder, and what identifies it.
  private func entries(
    of path: [UInt8]
  ) throws(Fault) -> (names: [(bytes: [UInt8], kind: Kind?)], identity: [UInt64]) {
    let name = path.isEmpty ? [UInt8(ascii: ".")] : path
    let opened = (name + [0]).withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { opendir($0.baseAddress!) }
    }
    guard let opened else { throw Fault(code: errno) }
    defer { closedir(opened) }
    var status = stat()
    guard fstat(dirfd(opened), &status) == 0 else { throw Fault(code: errno) }
    let identity = [
      UInt64(truncatingIfNeeded: status.st_dev), UInt64(truncatingIfNeeded: status.st_ino),
    ]
    var names: [(bytes: [UInt8], kind: Kind?)] = []
    while true {
      errno = 0
      guard let entry = readdir(opened) else {
        if errno != 0 { throw Fault(code: errno) }
        return (names, identity)
      }
      let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if bytes == [UInt8(ascii: ".")] || bytes == Array("..".utf8) { continue }
      let kind: Kind? =
        switch Int(entry.pointee.d_type) {
        case Int(DT_DIR): .folder
        // Links are followed, and some file systems do not say.
        case Int(DT_LNK), Int(DT_UNKNOWN): nil
        default: .other
        }
      names.append((bytes, kind))
      if names.count % (16 * Self.reported) == 0 { tell() }
    }
  }

  /// What lies at a path, links followed; dangling links are left to the check for bad images.
  private static func kind(of path: [UInt8]) -> Kind {
    var status = stat()
    let code = (path + [0]).withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { stat($0.baseAddress!, &status) }
    }
    return code == 0 && status.st_mode & S_IFMT == S_IFDIR ? .folder : .other
  }
}
