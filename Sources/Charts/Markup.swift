import Formatting
import Foundation

/// Text and numbers as they stand in HTML and SVG.
public enum Markup {
  /// Text that cannot end an element or an attribute: `&`, `<`, `>` and both quotes are escaped.
  ///
  /// Control characters, which neither HTML nor XML may hold, become spaces.
  public static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\u{0}"..<" ", "\u{7F}"..."\u{9F}": result += " "
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// A coordinate with at most one decimal; numbers that are not finite never come here.
  static func coordinate(_ value: Double) -> String {
    let tenths = Int((min(max(value, -1e6), 1e6) * 10).rounded())
    let (whole, rest) = (tenths.magnitude / 10, tenths.magnitude % 10)
    let text = rest == 0 ? "\(whole)" : "\(whole).\(rest)"
    return tenths < 0 ? "-" + text : text
  }

  /// A JSON string, safe inside a `script` element too: `<` is written as an escape.
  public static func jsonString(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "<", ">", "&", "\u{0}"..<" ", "\u{2028}", "\u{2029}":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  /// A JSON number of so many significant digits; `null` where there is none.
  public static func jsonNumber(_ value: Double, digits: Int = 4) -> String {
    guard value.isFinite else { return "null" }
    let rounded = value.roundedToSignificant(digits: digits)
    let text = rounded.description
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}

/// Numbers as charts print them.
public enum NumberLabel {
  /// A value with so many significant digits, with powers of ten only where zeros would be many.
  public static func value(_ value: Double, digits: Int = 4) -> String {
    guard value.isFinite else { return value.isNaN ? "–" : value < 0 ? "-∞" : "∞" }
    let rounded = value.roundedToSignificant(digits: digits)
    let size = rounded.magnitude
    if size == 0 { return "0" }
    if size >= 1e7 || size < 1e-4 { return scientific(value, digits: digits - 1) }
    let exponent = Int(log10(size).rounded(.down))
    let text = trimmed(String(format: "%.\(max(0, digits - 1 - exponent))f", rounded))
    return exponent >= 3 ? Display.grouped(text) : text
  }

  /// A value with so many decimals.
  public static func fixed(_ value: Double, decimals: Int) -> String {
    guard value.isFinite else { return NumberLabel.value(value) }
    return Display.grouped(String(format: "%.\(decimals)f", value))
  }

  /// A whole number with thousands apart.
  public static func count(_ value: Int) -> String { Display.count(value) }

  /// The label of a tick, given the distance between ticks.
  static func tick(_ value: Double, step: Double) -> String {
    let size = value.magnitude
    if size < step * 1e-6 { return "0" }
    if size >= 1e6 { return shortened(value / 1e6, step: step / 1e6) + "M" }
    if size >= 1e4 { return shortened(value / 1e3, step: step / 1e3) + "k" }
    if step < 1e-4 { return scientific(value, digits: 2) }
    let decimals = max(0, Int((-log10(step) + 0.999).rounded(.down)))
    return Display.grouped(String(format: "%.\(min(decimals, 6))f", value))
  }

  /// The label of a power of ten, or of a small multiple of one.
  static func logarithmicTick(_ value: Double) -> String {
    if value >= 1e6 || value < 0.999e-3 { return scientific(value, digits: 2) }
    return tick(value, step: value)
  }

  private static func shortened(_ value: Double, step: Double) -> String {
    let decimals = max(0, Int((-log10(step) + 0.999).rounded(.down)))
    return Display.grouped(String(format: "%.\(min(decimals, 3))f", value))
  }

  /// `2e-5`, `1.5e7`: without the zeros that C writes.
  private static func scientific(_ value: Double, digits: Int) -> String {
    let parts = String(format: "%.\(max(0, digits - 1))e", value).split(separator: "e")
    guard parts.count == 2, let exponent = Int(parts[1]) else { return String(value) }
    return "\(trimmed(String(parts[0])))e\(exponent)"
  }

  /// A number without zeros at the end of its decimals.
  private static func trimmed(_ text: String) -> String {
    guard text.contains(".") else { return text }
    let kept = text.reversed().drop { $0 == "0" }
    return String((kept.first == "." ? kept.dropFirst() : kept).reversed())
  }
}

extension Double {
  /// The nearest number of so many significant decimal digits.
  func roundedToSignificant(digits: Int) -> Double {
    guard isFinite, self != 0 else { return self }
    let exponent = Int(log10(magnitude).rounded(.down)) - digits + 1
    guard exponent > -300 else { return 0 }
    if exponent > 0 {
      let unit = pow(10, Double(exponent))
      return (self / unit).rounded() * unit
    }
    let unit = pow(10, Double(-exponent))
    return (self * unit).rounded() / unit
  }
}
