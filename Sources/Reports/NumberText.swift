import Foundation

/// Numbers as the reports print them.
enum NumberText {
  /// A number with so many decimals; `-` if there is none, `inf` where nothing differs.
  static func decimals(_ value: Double?, _ digits: Int) -> String {
    guard let value, !value.isNaN else { return "-" }
    guard value.isFinite else { return value < 0 ? "-inf" : "inf" }
    return String(format: "%.\(digits)f", value)
  }

  /// A number with three significant digits.
  static func significant(_ value: Double?) -> String {
    guard let value, !value.isNaN else { return "-" }
    return String(format: "%.3g", value)
  }

  /// A share as a percentage: one decimal, two below 1 %.
  static func percent(_ share: Double?) -> String {
    guard let share, !share.isNaN else { return "-" }
    return String(format: share < 0.01 ? "%.2f%%" : "%.1f%%", share * 100)
  }

  /// A count with thousands apart.
  static func count(_ value: Int) -> String {
    var digits = Array(String(value.magnitude))
    var place = digits.count - 3
    while place > 0 {
      digits.insert(",", at: place)
      place -= 3
    }
    return (value < 0 ? "-" : "") + String(digits)
  }
}
