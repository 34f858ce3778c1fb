import Datasets
import Foundation

/// An image file to encode, and the name by which the token file knows it.
struct ImageInput: Sendable, Equatable {
  /// The path that opens it.
  var path: String
  /// The name in the token file, with `/` between folders.
  var name: String
}

/// The image files that paths on a command line stand for.
///
/// A folder stands for all PNG and JPEG files in it, however deep; a file for itself, whatever its
/// name ends in. Names: of a single folder, the paths within it; of a single file, its own name. Of
/// several paths, each begins with the last component of what was given (`cats` of `photos/cats`),
/// or with as many components more as it takes to make all names different. A file that is reached
/// in two ways is taken once. The order is that of the names' bytes.
struct ImageInputs: Sendable, Equatable {
  /// The files, in order.
  let files: [ImageInput]
  /// What is wrong with folders that hold no image, where others do, and with folders in them.
  let warnings: [String]
  /// What cannot be used for its name, with the number of images.
  let leftOut: [RejectedImage]
  /// What else the user should know of the folders; see `ImageFolder.notes`.
  let notes: [String]

  /// A path of the command line.
  private struct Source {
    /// The folder's or file's own path, from the root.
    let components: [String]
    /// The images: the path to open, and the path within the folder, empty for a file.
    var files: [(path: String, inner: String)] = []
  }

  /// Lists the images.
  ///
  /// Errors: a path where there is nothing, a folder that cannot be listed, no image at all.
  init(paths: [String]) throws {
    var sources: [Source] = []
    var empty: [DatasetError] = []
    var leftOut: [RejectedImage] = []
    var notes: [String] = []
    var seen: Set<[UInt8]> = []
    for path in paths {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw Failure(
          .noInput,
          "\(path): expected an image or a folder of images, found nothing at this path. "
            + "Check the path.")
      }
      let whole = Self.absolute(path)
      var source = Source(components: whole.split(separator: "/").map(String.init))
      do throws(DatasetError) {
        let found = isFolder.boolValue ? try ImageFolder(path: path) : nil
        leftOut += found?.leftOut ?? []
        notes += found?.notes ?? []
        for inner in found?.files ?? [""] {
          let absolute = inner.isEmpty ? whole : whole + "/" + inner
          if seen.insert(Array(absolute.utf8)).inserted {
            source.files.append((found?.fullPath(inner) ?? path, inner))
          }
        }
      } catch {
        guard case .noImages = error else { throw error }
        empty.append(error)
      }
      sources.append(source)
    }
    if let first = empty.first, sources.allSatisfy({ $0.files.isEmpty }) { throw first }
    files = Self.named(sources)
    warnings = empty.map(\.description) + leftOut.filter { $0.imageCount == 0 }.map(\.reason)
    self.leftOut = leftOut.filter { $0.imageCount > 0 }
    self.notes = notes
  }

  /// Takes as few leading components as make all names different.
  private static func named(_ sources: [Source]) -> [ImageInput] {
    let deepest = sources.map(\.components.count).max() ?? 0
    let isSingleFolder = sources.count == 1 && sources[0].files.first?.inner != ""
    for depth in (isSingleFolder ? 0 : 1)...max(1, deepest) {
      let files = sources.flatMap { source in
        source.files.map { file in
          let leading = source.components.suffix(depth)
          let inner = file.inner.isEmpty ? [] : [file.inner]
          return ImageInput(path: file.path, name: (leading + inner).joined(separator: "/"))
        }
      }
      let names = Set(files.map { Array($0.name.utf8) })
      guard names.count == files.count || depth >= deepest else { continue }
      return files.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }
    return []
  }

  /// The path from the root, without `.` and `..`; links stay as they are.
  private static func absolute(_ path: String) -> String {
    URL(fileURLWithPath: path).standardizedFileURL.path
  }
}
