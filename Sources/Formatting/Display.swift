import Foundation

/// Numbers as people read them, in commands, reports and messages alike.
package enum Display {
  /// A number with so many decimals.
  package static func decimals(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }

  /// Images in a second, or the seconds that one takes where that is more than one: "12.5 images/s",
  /// "123 s an image"; "0.0 images/s" where none was done.
  package static func rate(_ imagesPerSecond: Double) -> String {
    guard imagesPerSecond < 1, imagesPerSecond > 0 else {
      return decimals(imagesPerSecond, 1) + " images/s"
    }
    let seconds = 1 / imagesPerSecond
    return decimals(seconds, seconds < 10 ? 1 : 0) + " s an image"
  }

  /// A number with so many significant digits.
  package static func significant(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)g", value)
  }

  /// A loss: four significant digits.
  package static func loss(_ value: Double) -> String { significant(value, 4) }

  /// A share as a percentage, with a decimal below 10%.
  package static func percent(_ share: Double) -> String {
    decimals(share * 100, share < 0.1 ? 1 : 0) + "%"
  }

  /// Seconds as `1:02:03` or `2:03`.
  package static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e7 else { return "?" }
    let whole = Int(seconds.rounded())
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
    return hours > 0
      ? String(format: "%d:%02d:%02d", hours, minutes, rest)
      : String(format: "%d:%02d", minutes, rest)
  }

  /// A count with thousands apart.
  package static func count(_ value: Int) -> String { grouped(String(value)) }

  /// A count with its noun: "1 image", "1,200 images".
  package static func count(_ value: Int, _ noun: String) -> String {
    "\(count(value)) \(noun)\(value == 1 ? "" : "s")"
  }

  /// A number in digits, perhaps with a sign and decimals, with thousands apart.
  package static func grouped(_ text: String) -> String {
    let sign = text.hasPrefix("-") ? "-" : ""
    let parts = text.drop { $0 == "-" }.split(separator: ".", maxSplits: 1)
    guard let whole = parts.first, whole.count > 3 else { return text }
    var digits = Array(whole)
    var place = digits.count - 3
    while place > 0 {
      digits.insert(",", at: place)
      place -= 3
    }
    return sign + String(digits) + (parts.count > 1 ? "." + parts[1] : "")
  }

  /// Bytes in MB.
  package static func megabytes(_ bytes: Int) -> String { megabytes(Double(bytes)) }

  /// Bytes in MB with thousands apart; more than any machine has in powers of ten.
  package static func megabytes(_ bytes: Double) -> String {
    bytes < 1e18
      ? count(Int((bytes / 1e6).rounded())) + " MB" : String(format: "%.1e MB", bytes / 1e6)
  }
}
