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
