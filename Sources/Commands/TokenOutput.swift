import Foundation
import TokenFiles

/// Where encode writes: one file, or numbered pieces beside each other.
struct TokenOutput: Equatable {
  /// The coat.
  let format: TokenFormat
  /// The path without its ending.
  private let stem: String

  /// Takes the coat from `--format`, or else from the path's ending; safetensors where neither says.
  init(path: String, format: TokenFormat?) throws {
    let named = TokenFormat(path: path)
    guard !path.isEmpty, !path.hasSuffix("/") else {
      throw Failure(
        .cannotCreate,
        "--output \"\(path)\": expected a file, found a folder's name. Name a file, "
          + "such as \(path)tokens.safetensors.")
    }
    if let named, let format, named != format {
      throw Failure(
        .usage,
        "--output \(path) ends in .\(named.rawValue), but --format says "
          + "\(format.rawValue). Leave out --format, or change the ending.")
    }
    self.format = format ?? named ?? .safetensors
    stem = named == nil ? path : String(path[..<path.lastIndex(of: ".")!])
  }

  /// The file's path, with its ending in lower case.
  var path: String { "\(stem).\(format.rawValue)" }

  /// The files that make up the output with this number, or the single one.
  private func files(_ number: String? = nil) -> [String] {
    let stem = stem + (number.map { "-" + $0 } ?? "")
    let data = "\(stem).\(format.rawValue)"
    return format == .safetensors ? [data] : [data, stem + ".json"]
  }

  /// The digits of the numbered pieces that are there, in order.
  private var numbers: [String] {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    let prefix = (stem.split(separator: "/").last.map(String.init) ?? "") + "-"
    let ending = "." + format.rawValue
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix(prefix), name.hasSuffix(ending),
        name.count > prefix.count + ending.count
      else { return nil }
      let digits = name.dropFirst(prefix.count).dropLast(ending.count)
      return digits.count >= 5 && digits.allSatisfy { $0.isASCII && $0.isNumber }
        ? String(digits) : nil
    }.sorted()
  }

  /// Makes way, or says what is in the way.
  ///
  /// With `isForced`, pieces are removed here; a single file stays until it is replaced as a whole.
  func makeRoom(isForced: Bool, isDivided: Bool) throws {
    let (single, numbers) = (FileManager.default.fileExists(atPath: path), numbers)
    guard single || !numbers.isEmpty else { return }
    guard isForced else {
      let found = single ? path : files(numbers[0])[0]
      throw Failure(
        .cannotCreate,
        "\(found) is already there. Choose another --output, add --force to replace "
          + "it" + (numbers.isEmpty ? "." : ", or --resume to go on behind its pieces."))
    }
    for number in numbers { try remove(files(number)) }
    if single, isDivided { try remove(files()) }
  }

  /// Removes a single file that pieces have replaced, so that it is not mistaken for them.
  func removeReplaced(written: [String]) throws {
    if !written.contains(path), FileManager.default.fileExists(atPath: path) { try remove(files()) }
  }

  private func remove(_ files: [String]) throws {
    for file in files where FileManager.default.fileExists(atPath: file) {
      do { try FileManager.default.removeItem(atPath: file) } catch {
        throw Failure(
          .cannotCreate,
          "\(file) cannot be removed: \(error.localizedDescription). Choose another "
            + "--output.")
      }
    }
  }
}
