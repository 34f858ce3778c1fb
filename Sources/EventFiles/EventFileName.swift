import Foundation

/// The name of an event file: `events.out.tfevents.SECONDS.HOST`.
///
/// Readers take a folder's files in the order of their names, so that a run that was resumed reads
/// on where the new file begins.
enum EventFileName {
  private static let prefix = "events.out.tfevents."

  /// A name that comes after those of all event files in the folder: the seconds are the time, or
  /// one more than the latest there are, whichever is more.
  ///
  /// A file of the last second that ten digits can hold is skipped: no name could come after it.
  static func next(in folder: String, wallTime: Double) -> String {
    // A folder one may write into but not list shows no names; opening then fails on a name that
    // is taken.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let latest = names.compactMap(seconds).max()
    let now = Int(exactly: wallTime.rounded(.down)) ?? 0
    let seconds = max(now, latest.map { $0 + 1 } ?? 0)
    let digits = String(seconds)
    // As many digits as today's time has, for names are compared as text.
    return prefix + String(repeating: "0", count: max(0, 10 - digits.count)) + digits + "." + host
  }

  /// The seconds in a name, where it is an event file's; of finer units only the seconds.
  private static func seconds(in name: String) -> Int? {
    guard name.hasPrefix(prefix) else { return nil }
    let seconds = Int(name.dropFirst(prefix.count).prefix(10).prefix { $0.isWholeNumber })
    return seconds == 9_999_999_999 ? nil : seconds
  }

  /// This machine's name, of letters that any file system takes.
  private static var host: String {
    var bytes = [UInt8](repeating: 0, count: 256)
    _ = bytes.withUnsafeMutableBytes {
      gethostname($0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count - 1)
    }
    let name = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    let plain = name.map { letter in
      letter.isASCII && (letter.isLetter || letter.isNumber || "-._".contains(letter))
        ? letter : "_"
    }
    return plain.isEmpty ? "localhost" : String(plain)
  }
}
