import Foundation

/// The images in a folder and the folders within it, in an order that depends on their names alone.
///
/// Images are files whose names end in .png, .jpg or .jpeg in any case. Hidden files and folders
/// (a leading dot) are skipped. Links are followed; a folder that several links lead to is listed
/// once, so loops end.
public struct ImageFolder: Sendable, Equatable {
  /// The folder as it was named.
  public let path: String
  /// The images' paths within the folder, sorted by their bytes.
  public let files: [String]

  /// The endings of image files, in lower case and without the dot.
  public static let endings = ["png", "jpg", "jpeg"]

  static let endingsInWords = ".png, .jpg or .jpeg"

  /// Lists the folder.
  ///
  /// - Throws: ``DatasetError`` if there is no such folder, one of the folders in it cannot be
  ///   listed, or there are no images.
  public init(path: String) throws(DatasetError) {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw .missingFolder(path: path)
    }
    guard isFolder.boolValue else { throw .notAFolder(path: path) }
    var listing = Listing(root: path)
    try listing.visit("")
    guard !listing.images.isEmpty else {
      let endings = listing.others.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      throw .noImages(
        path: path, files: listing.others.values.reduce(0, +), endings: endings.map(\.key))
    }
    self.path = path
    files = listing.images.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Whether a file of this name is taken for an image.
  public static func isImage(_ name: String) -> Bool {
    endings.contains(ending(of: name)) && !name.hasPrefix(".")
  }

  /// The path that opens one of the folder's files.
  public func fullPath(_ file: String) -> String { Self.join(path, file) }

  fileprivate static func join(_ folder: String, _ name: String) -> String {
    if name.isEmpty { return folder }
    if folder.isEmpty { return name }
    return folder.hasSuffix("/") ? folder + name : folder + "/" + name
  }

  fileprivate static func ending(of name: String) -> String {
    guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return "" }
    return name[name.index(after: dot)...].lowercased()
  }
}

/// A walk through a folder.
private struct Listing {
  let root: String
  var images: [String] = []
  /// How many other files there are of each ending.
  var others: [String: Int] = [:]
  private var visited: Set<String> = []

  init(root: String) { self.root = root }

  mutating func visit(_ folder: String) throws(DatasetError) {
    let path = ImageFolder.join(root, folder)
    let real = URL(fileURLWithPath: path, isDirectory: true).resolvingSymlinksInPath().path
    guard visited.insert(real).inserted else { return }
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw .unreadableFolder(path: path, reason: error.localizedDescription)
    }
    // Sorted, so that of two ways to one folder always the same is taken.
    for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) })
    where !name.hasPrefix(".") {
      let file = ImageFolder.join(folder, name)
      var isFolder: ObjCBool = false
      // A link to nothing does not exist, and is left to the check that tells bad images.
      _ = FileManager.default.fileExists(
        atPath: ImageFolder.join(root, file), isDirectory: &isFolder)
      if isFolder.boolValue {
        try visit(file)
      } else if ImageFolder.isImage(name) {
        images.append(file)
      } else {
        others[ImageFolder.ending(of: name), default: 0] += 1
      }
    }
  }
}
