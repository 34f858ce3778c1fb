import Foundation

/// Numbers as tables show them.
enum Cell {
  /// A number with so many decimals.
  static func decimals(_ value: Double?, _ digits: Int) -> String {
    value.map { String(format: "%.\(digits)f", $0) } ?? ""
  }

  /// A number with three significant digits, or all before the point.
  static func significant(_ value: Double?) -> String {
    guard let value, value != 0 else { return "" }
    let digits = max(0, 2 - Int(log10(abs(value)).rounded(.down)))
    return String(format: "%.\(digits)f", value)
  }

  /// Bytes in MB.
  static func megabytes(_ bytes: Int?) -> String {
    bytes.map { String(format: "%.0f MB", Double($0) / 1e6) } ?? ""
  }
}
