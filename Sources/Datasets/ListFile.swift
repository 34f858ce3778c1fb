import Files
import Foundation
import Imaging
import Synchronization
import Threads

/// A text file that names images: the path of one on each line, relative to the file's folder, with a label
/// behind a tab where there is one.
struct ListFile: Sendable {
  /// The images' paths as they are written, without `./` before them, each once, in the order of their bytes.
  let paths: NameList
  /// What is behind tabs, each label once.
  let labels: [String]
  /// For each image one of the labels, or -1; empty without any.
  let places: [Int32]
  /// How many lines named an image again.
  let repeatedCount: Int

  private static let endings = [".txt", ".tsv", ".lst"]

  /// Whether a path is a list: a file whose name ends in .txt, .tsv or .lst and that is no image.
  static func isOne(_ path: String) -> Bool {
    guard endings.contains(where: path.lowercased().hasSuffix), !Folder.isFolder(path),
      let file = try? ReadableFile(path: path)
    else { return false }
    let start = (try? file.bytes(0..<min(8, file.byteCount))) ?? []
    return ImageFormat(startOf: start) == nil
  }

  /// Reads a list, and looks whether its images are there.
  init(path: String, _ observer: @escaping ListingObserver) throws(ListError) {
    observer(.list(path: path))
    let bytes: [UInt8]
    do { bytes = try ReadableFile.contents(of: path) } catch { throw .file(error) }
    var (paths, labels, places) = (NameList(), NameSet(), [Int32]())
    var (number, start) = (0, 0)
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      var line = bytes[start..<end]
      start = end + 1
      number += 1
      if number % 4096 == 0 { observer(.list(path: path)) }
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      if line.isEmpty { continue }
      guard String(validating: line, as: UTF8.self) != nil, !line.contains(0) else {
        throw .notText(path: path, line: number)
      }
      let tab = line.firstIndex(of: UInt8(ascii: "\t")) ?? line.endIndex
      var name = line[..<tab]
      while name.starts(with: "./".utf8) { name = name.dropFirst(2) }
      guard !name.isEmpty else { throw .noPath(path: path, line: number) }
      paths.append(utf8: name)
      let label = String(decoding: line[tab...].dropFirst(), as: UTF8.self)
      if !label.isEmpty { labels.insert(label) }
      places.append(label.isEmpty ? -1 : Int32(labels.place(of: label) ?? -1))
    }
    guard !paths.isEmpty else { throw .empty(path: path) }
    var order = paths.order
    let count = order.count
    order.removeRepeated(in: paths)
    let isInOrder = order.count == count && paths.isSorted
    self.paths = isInOrder ? paths : paths.keeping(order).contiguous
    self.labels = Array(labels.names)
    self.places = labels.isEmpty ? [] : order.map { places[Int($0)] }
    repeatedCount = count - order.count
    let unique = self.paths
    let missing = Self.missing(unique, in: ImageSource.parent(of: path)) { done in
      observer(.listed(path: path, done: done, of: unique.count))
    }
    guard missing.isEmpty else {
      throw .missing(
        path: path, first: missing.prefix(5).map { unique[$0] }, count: missing.count,
        of: unique.count)
    }
  }

  /// The places of paths where there is nothing, looked for on all cores.
  private static func missing(
    _ paths: NameList, in folder: String, _ progress: @escaping @Sendable (_ done: Int) -> Void
  ) -> [Int] {
    let portion = 1024
    let found = Mutex((missing: [Int](), done: 0))
    concurrently((paths.count + portion - 1) / portion) { number in
      let range = number * portion..<min(paths.count, (number + 1) * portion)
      let missing = range.filter {
        FileVersion(path: ImageSource.join(folder, paths[$0])) == nil
      }
      let done = found.withLock { found in
        found.missing += missing
        found.done += range.count
        return found.done
      }
      progress(done)
    }
    return found.withLock { $0.missing.sorted() }
  }
}

extension [Int32] {
  /// Keeps of names that follow each other and are the same the first.
  fileprivate mutating func removeRepeated(in names: NameList) {
    var kept: [Int32] = []
    kept.reserveCapacity(count)
    for place in self where kept.last.map({ names.differ(Int($0), Int(place)) }) ?? true {
      kept.append(place)
    }
    self = kept
  }
}

/// Why a list of images cannot be used.
public enum ListError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The list cannot be read.
  case file(FileError)
  /// A line is not UTF-8.
  case notText(path: String, line: Int)
  /// A line begins with a tab.
  case noPath(path: String, line: Int)
  /// There is no line.
  case empty(path: String)
  /// Images are not there; the first few are told.
  case missing(path: String, first: [String], count: Int, of: Int)
  /// All images of a folder are held out by a list.
  case allHeldOut(path: String, list: String)

  /// What was expected, what was found, and what to do.
  public var description: String {
    switch self {
    case .file(let error): error.description
    case .notText(let path, let line):
      "\(path): expected the path of an image on each line, found bytes in line \(line) that are no text. "
        + "Write the list as UTF-8."
    case .noPath(let path, let line):
      "\(path): expected the path of an image before the tab in line \(line), found nothing. Write a path, a "
        + "tab and a label, or the path alone."
    case .empty(let path):
      "\(path): expected the path of an image on each line, found no line. Check the list."
    case .missing(let path, let first, let count, let all):
      "\(path): \(count) of the \(all) files that it names are missing: \(first.joined(separator: ", "))"
        + (count > first.count ? ", ..." : "")
        + ". Paths are relative to the folder of the list: correct them, or remove the lines."
    case .allHeldOut(let path, let list):
      "\(path): all of its images are in \(list), which holds them out to evaluate with. Name fewer there."
    }
  }
}
