import ArgumentParser
import Execution
import Formatting
import Foundation
import Imaging

/// How much memory a command may take: `--memory`.
struct MemoryOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Memory to stay within, such as 2GB or 500MB; by default half of what there is. Images that do not fit "
        + "are computed in tiles, which takes longer and changes no bit.", valueName: "size"))
  var memory: String?

  func validate() throws {
    guard let memory else { return }
    guard let bytes = Self.bytes(of: memory) else {
      throw ValidationError("--memory \(memory): expected a size such as 2GB, 500MB or 1.5GiB")
    }
    guard bytes >= Self.least else {
      throw ValidationError(
        "--memory \(memory): expected at least \(Display.megabytes(Self.least)), which the program itself takes"
      )
    }
  }

  /// The bytes; nil where nothing was said.
  var bytes: Int? { memory.flatMap(Self.bytes) }

  /// Images may have so many pixels: as many as fit where a memory was given, else the usual limit.
  func pixelLimit(_ tasks: [BoundedCodec.Task], _ codec: BoundedCodec) -> Int {
    let usual = ImageDecoder.defaultPixelLimit
    return memory == nil ? usual : max(usual, codec.mostPixels(tasks))
  }

  /// What the program itself takes, and what the allocator keeps of memory that was freed.
  static let least = Int(2.5 * MemoryLimits.reserve)

  /// Units by the ends of their names; without one, bytes.
  private static let units: [(name: String, bytes: Double)] = [
    ("kib", 1024), ("mib", 0x1p20), ("gib", 0x1p30), ("tib", 0x1p40),
    ("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("tb", 1e12),
    ("k", 1e3), ("m", 1e6), ("g", 1e9), ("t", 1e12), ("b", 1), ("", 1),
  ]

  /// Reads a decimal number with a unit.
  static func bytes(of text: String) -> Int? {
    let text = text.lowercased()
    guard let unit = units.first(where: { text.hasSuffix($0.name) }) else { return nil }
    let number = text.dropLast(unit.name.count)
    let isDecimal = number.allSatisfy { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard isDecimal, let value = Double(number), value * unit.bytes < 0x1p60 else { return nil }
    return Int(value * unit.bytes)
  }
}
