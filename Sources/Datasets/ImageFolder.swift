import Foundation

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
  public let files: [String]
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
  /// - Throws: ``DatasetError`` if there is no such folder, it cannot be listed, or there are no
  ///   images.
  public init(path: String) throws(DatasetError) {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw .missingFolder(path: path)
    }
    guard isFolder.boolValue else { throw .notAFolder(path: path) }
    let listing = try FolderListing(root: path)
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
    files = listing.images.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    leftOut = listing.leftOut
    otherFiles = listing.others
    runFolders = listing.runs
  }

  private init(_ folder: ImageFolder, files: [String]) {
    path = folder.path
    self.files = files
    leftOut = folder.leftOut
    otherFiles = folder.otherFiles
    runFolders = folder.runFolders
  }

  /// The same folder with only some of its files, by their indices in order.
  public func keeping(_ indices: [Int]) -> ImageFolder {
    ImageFolder(self, files: indices.map { files[$0] })
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
