import Foundation
import TokenFiles

/// Where encode writes: one file, or numbered shards beside each other.
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
          + "\(format.rawValue). Remove --format, or change the extension.")
    }
    if named == nil, format == nil, let ending = Self.ending(of: path) {
      throw Failure(
        .usage,
        "--output \(path): expected a file that ends in .safetensors, .npy or .bin, found .\(ending). "
          + "Change the extension, or add --format to have its extension appended.")
    }
    self.format = format ?? named ?? .safetensors
    stem = named == nil ? path : String(path[..<path.lastIndex(of: ".")!])
  }

  /// The file's path, with its ending in lower case.
  var path: String { "\(stem).\(format.rawValue)" }

  /// The digits of the numbered shards that are there, in order.
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

  /// Says what is in the way, unless it is to be replaced.
  func checkRoom(isForced: Bool) throws {
    let (single, numbers) = (FileManager.default.fileExists(atPath: path), numbers)
    guard !isForced, single || !numbers.isEmpty else { return }
    let found = single ? path : "\(stem)-\(numbers[0]).\(format.rawValue)"
    throw Failure(
      .cannotCreate,
      "\(found) is already there. Choose another --output, add --force to replace "
        + "it" + (numbers.isEmpty ? "." : ", or --resume to continue after its shards."))
  }

  /// What looks like the ending of a format: letters and figures, a letter first.
  private static func ending(of path: String) -> String? {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return nil }
    let ending = name[name.index(after: dot)...]
    guard (1...12).contains(ending.count), ending.first?.isLetter == true,
      ending.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) })
    else { return nil }
    return String(ending)
  }
}
