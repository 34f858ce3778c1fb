import Files
import Foundation

extension ImageSource {
  /// The same source without the images of another, by where they are.
  ///
  /// Links are not followed: an image that two paths lead to is two.
  ///
  /// - Throws: `allHeldOut` where none is left.
  public func holdingOut(_ other: ImageSource) throws(DatasetError) -> ImageSource {
    let (root, otherRoot) = (absoluteFolder, other.absoluteFolder)
    let held = NameSet(other.files.lazy.map { other.absolutePath($0, below: otherRoot) })
    let kept = files.indices.filter { !held.contains(absolutePath(files[$0], below: root)) }
    guard !kept.isEmpty else { throw .list(.allHeldOut(path: path, list: other.path)) }
    return keeping(kept)
  }

  /// The folder that names start at, from the root.
  private var absoluteFolder: String { Self.standardized(folder.isEmpty ? "." : folder) }

  /// The path of an image from the root, without `.` and `..`.
  private func absolutePath(_ file: String, below root: String) -> String {
    let isPlain = file.first != "/" && !("/" + file).contains("/.")
    return isPlain ? Self.join(root, file) : Self.standardized(fullPath(file))
  }

  private static func standardized(_ path: String) -> String {
    URL(fileURLWithPath: path).standardizedFileURL.path
  }

  /// The path of a name in a folder, which may be empty; a name from the root is a path itself.
  static func join(_ folder: String, _ name: String) -> String {
    name.utf8.first == UInt8(ascii: "/") ? name : ImageFolder.join(folder, name)
  }
}
