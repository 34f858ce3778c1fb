import Configuration
import Foundation

extension JSONObject {
  /// Adds a number, unless it is not known or not finite: JSON has neither NaN nor infinity.
  mutating func add(_ key: String, _ number: Double?) {
    if let number, number.isFinite { self[key] = .number(number) }
  }
}

extension JSONValue {
  /// A list of numbers with four significant digits each, `null` where one is not known: lists of all
  /// tensors are long, and come often.
  static func digits(_ numbers: [Double?]) -> JSONValue {
    .array(
      numbers.map { number in
        guard let number, number.isFinite else { return .null }
        return .number(Double(String(format: "%.4g", number)) ?? number)
      })
  }
}
