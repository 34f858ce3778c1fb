import Files
import Foundation
import Imaging
import Synchronization
import Threads

/// A text file that names images: the path of one on each line, relative to the file's folder, with a label
/// behind a tab where there is one.
struct ListFile: Sendable {
  /// An image.
  struct Entry: Sendable {
    /// The path as it is written, without `./` before it.
    let path: String
    /// What is behind the tab; nil where there is nothing.
    let label: String?
  }

  /// The images, each once, in the order of their paths' bytes.
  let entries: [Entry]
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
  init(path: String) throws(ListError) {
    let bytes: [UInt8]
    do { bytes = try ReadableFile.contents(of: path) } catch { throw .file(error) }
    var entries: [Entry] = []
    var number = 0
    for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      number += 1
      var line = line
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      if line.isEmpty { continue }
      guard let text = String(validating: line, as: UTF8.self), !line.contains(0) else {
        throw .notText(path: path, line: number)
      }
      let parts = text.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false)
      var name = parts[0]
      while name.hasPrefix("./") { name = name.dropFirst(2) }
      let label = parts.count > 1 ? parts[1] : ""
      guard !name.isEmpty else { throw .noPath(path: path, line: number) }
      entries.append(Entry(path: String(name), label: label.isEmpty ? nil : String(label)))
    }
    guard !entries.isEmpty else { throw .empty(path: path) }
    entries.sort { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    var unique: [Entry] = []
    unique.reserveCapacity(entries.count)
    for entry in entries
    where unique.last.map({ !$0.path.utf8.elementsEqual(entry.path.utf8) }) ?? true {
      unique.append(entry)
    }
    self.entries = unique
    repeatedCount = entries.count - unique.count
    let missing = Self.missing(unique, in: ImageSource.parent(of: path))
    guard missing.isEmpty else {
      throw .missing(
        path: path, first: missing.prefix(5).map { unique[$0].path }, count: missing.count,
        of: unique.count)
    }
  }

  /// The places of entries where there is nothing, looked for on all cores.
  private static func missing(_ entries: [Entry], in folder: String) -> [Int] {
    let portion = 1024
    let found = Mutex<[Int]>([])
    concurrently((entries.count + portion - 1) / portion) { number in
      let range = number * portion..<min(entries.count, (number + 1) * portion)
      let missing = range.filter {
        FileVersion(path: ImageSource.join(folder, entries[$0].path)) == nil
      }
      if !missing.isEmpty { found.withLock { $0 += missing } }
    }
    return found.withLock { $0.sorted() }
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
